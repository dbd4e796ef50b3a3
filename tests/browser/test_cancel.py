"""Alice changes her mind about a long recording, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_portal import choose, row
from tests.conftest import MakeMedia
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def meeting(make_media: MakeMedia, fox: Path) -> Path:
    """Two windows of speech."""
    return make_media("meeting.mp3", "-stream_loop", "-1", "-i", str(fox), "-t", "60")


@pytest.fixture
def engine_at_its_second_window(stack: Stack) -> Iterator[None]:
    """Whatever is sent is not done before the test ends."""
    with stack.engine.held():
        stack.engine.allow(1)
        yield


@pytest.mark.usefixtures("engine_at_its_second_window")
def test_a_running_transcription_is_cancelled_on_its_page_and_tried_again_in_the_list(
    page: Page, meeting: Path
) -> None:
    choose(page, meeting)
    row(page, "meeting.mp3").get_by_role("link").first.click()
    expect(page.locator("[data-segments] .segment").first).to_contain_text("fox")
    page.get_by_role("button", name="Cancel this transcription").click()
    expect(page.locator(".toast")).to_contain_text("was cancelled. Nothing was charged.")
    expect(page.get_by_role("heading", name="This was cancelled")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Cancel this transcription")).to_be_visible()

    page.get_by_role("link", name="Recordings").first.click()
    row(page, "meeting.mp3").get_by_label("Actions for meeting.mp3").click()
    row(page, "meeting.mp3").get_by_role("button", name="Cancel this transcription").click()
    expect(page).to_have_url(re.compile(r"/recordings/$"))
    expect(row(page, "meeting.mp3")).to_contain_text("Cancelled")
