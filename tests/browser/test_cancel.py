"""Somebody changes her mind about a long recording, in a real browser on the real stack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_portal import choose, row
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STARTED = 120_000


@pytest.fixture
def hour(make_media: MakeMedia, fox: Path) -> Path:
    """So long that nobody waits for its end."""
    return make_media("an hour.mp3", "-stream_loop", "-1", "-i", str(fox), "-t", "3600", "-b:a", "32k")


def test_a_running_transcription_is_cancelled_on_its_page_and_tried_again_in_the_list(page: Page, hour: Path) -> None:
    choose(page, hour)
    row(page, "an hour.mp3").get_by_role("link").first.click()
    expect(page.locator("[data-segments] .segment").first).to_contain_text("fox", timeout=STARTED)
    page.get_by_role("button", name="Cancel this transcription").click()
    expect(page.locator(".toast")).to_contain_text("was cancelled. Nothing was charged.")
    expect(page.get_by_role("heading", name="This was cancelled")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Cancel this transcription")).to_be_visible()

    page.get_by_role("link", name="Recordings").first.click()
    row(page, "an hour.mp3").get_by_label("Actions for an hour.mp3").click()
    row(page, "an hour.mp3").get_by_role("button", name="Cancel this transcription").click()
    expect(page).to_have_url(re.compile(r"/recordings/$"))
    expect(row(page, "an hour.mp3")).to_contain_text("Cancelled")
