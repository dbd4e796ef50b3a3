"""A call in stereo, in a real browser with the real engine: from the upload to the file with both names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.conftest import FLAGS, PATIENCE, find_chromium, session_of_staff
from tests.browser.conftest import complaints as complaints
from tests.browser.conftest import open_context as open_context
from tests.browser.test_portal import choose, row
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("voice_networks")]


@pytest.fixture
def browser() -> Iterator[Browser]:
    """One that is gone before asyncio's tests run."""
    path = find_chromium()
    if path is None:
        pytest.skip("NO BROWSER TEST RAN: there is no Chromium. Install one, or name it in CHROMIUM.")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=FLAGS)


def test_each_channel_is_a_speaker_who_is_named_corrected_and_exported(
    stack: Stack, browser: Browser, open_context: Callable[..., BrowserContext], call: Path
) -> None:
    page = open_context(storage_state=session_of_staff(browser, stack)).new_page()
    page.goto("/recordings/")
    page.get_by_role("region", name="New transcription").get_by_label("Speakers").select_option("auto")
    page.locator("#id_language").select_option("en")
    choose(page, call)
    row(page, "call.wav").get_by_role("link", name="call.wav").first.click()
    expect(page.locator("[data-voice]")).to_have_count(2)
    page.wait_for_load_state("load")
    for speaker, name in (("Speaker 1", "Agent"), ("Speaker 2", "Caller")):
        page.get_by_role("button", name=f"Name or merge {speaker}").click()
        page.get_by_role("dialog").get_by_label("Name", exact=True).fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("[data-voice]", has_text=name)).to_have_count(1)

    line = page.locator(".segment", has_text="Agent").first
    expect(line.locator(".segment__text")).to_contain_text("fox")
    line.locator(".segment__time").focus()
    page.keyboard.press("e")
    line.locator("textarea").fill("The quick brown fox is on the left.")
    page.keyboard.press("Control+Enter")
    expect(line.locator(".segment__text")).to_have_text("The quick brown fox is on the left.")

    page.locator("summary", has_text="Download").click()
    with page.expect_download() as download:
        page.locator(".menu__item:visible", has_text="Text").first.click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert "Agent: The quick brown fox is on the left." in lines
    assert {one.partition(":")[0] for one in lines if one} == {"Agent", "Caller"}
