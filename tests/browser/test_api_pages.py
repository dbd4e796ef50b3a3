"""The API's own pages, in a browser that may ask nobody but the portal."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Picture
from tests.stack import Stack

pytestmark = pytest.mark.browser


@pytest.fixture
def strangers(page: Page, stack: Stack) -> list[str]:
    """Addresses elsewhere that a page had something from."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((stack.url, "data:", "blob:")):
            asked.append(request.url)

    page.on("requestfinished", note)
    return asked


def test_swagger_shows_every_call(page: Page, strangers: list[str], picture: Picture) -> None:
    page.goto("/api/docs/")
    for group, call in (("recordings", "/api/v1/recordings"), ("openai", "/v1/audio/transcriptions")):
        page.locator(f"#operations-tag-{group}").click()
        expect(page.get_by_text(call, exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="webhooks")).to_be_visible()
    picture(page, "swagger")
    assert strangers == []


def test_redoc_shows_them_too(page: Page, strangers: list[str], complaints: list[str], picture: Picture) -> None:
    """It would like its maker's logo from elsewhere, which the policy forbids and the console tells."""
    with page.expect_console_message(lambda said: "cdn.redoc.ly" in said.text):
        page.goto("/api/reference/")
    expect(page.get_by_role("heading", name="Send a recording, or say where it is")).to_be_visible()
    picture(page, "redoc")
    page.goto("about:blank")  # it complains twice, and says no more once it is left
    assert strangers == []
    assert all("cdn.redoc.ly" in complaint for complaint in complaints)
    complaints.clear()


def test_an_example_is_copied_whole(page: Page, stack: Stack, picture: Picture) -> None:
    page.get_by_role("link", name="API examples").click()
    expect(page.get_by_role("heading", name="Send a file, get its text")).to_be_visible()
    page.locator("#code-transcribe-curl").locator("xpath=../..").get_by_role("button").click()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"curl {stack.url}/v1/audio/transcriptions")
    picture(page, "examples", full_page=True)
