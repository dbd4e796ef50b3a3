"""A person replaces a word in many recordings, and takes it back, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import TRANSCRIBED, choose, copy_of, row

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMES = ("Interview with Müller.wav", "Interview with Weiss.wav")


def test_a_word_is_replaced_in_the_recordings_that_are_ticked_and_taken_back(
    page: Page, fox: Path, tmp_path: Path, picture: Picture
) -> None:
    choose(page, *(copy_of(fox, tmp_path, name) for name in NAMES))
    for name in NAMES:
        expect(row(page, name)).to_contain_text("Done", timeout=TRANSCRIBED)
    page.get_by_role("searchbox", name="Search names and texts").fill("Interview with")
    expect(page).to_have_url(re.compile("search=Interview"))
    page.get_by_role("button", name="Find and replace").click()

    expect(page.get_by_role("searchbox", name="Search names and texts")).to_have_value("Interview with")
    page.get_by_label("Find", exact=True).fill("fox")
    page.get_by_label("Replace with").fill("lynx")
    page.get_by_role("button", name="Look", exact=True).click()
    said = page.locator("[data-said]")
    expect(said).to_have_text("Found in 2 of 2.")
    places = page.get_by_role("list", name="Places")
    expect(places).to_be_focused()
    expect(places.locator("ins").first).to_have_text("lynx")
    places.get_by_label(NAMES[0]).uncheck()
    hits = places.get_by_role("listitem").filter(has_text=NAMES[0]).locator(".replace__hit input")
    expect(hits.first).to_be_disabled()
    picture(page, "series")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "series-dark-phone")
    page.set_viewport_size({"width": 1280, "height": 860})

    page.get_by_role("button", name="Replace", exact=True).click()
    expect(said).to_have_text(re.compile(r"Replaced places: \d+ \(recordings: 1\)\."))
    earlier = page.locator("[data-earlier]")
    expect(earlier).to_contain_text("1 transcript")
    picture(page, "series-replaced")
    earlier.get_by_role("button", name="Undo").first.click()
    expect(said).to_contain_text("Undone (recordings: 1).")
    expect(earlier).to_contain_text("undone: 1")
    page.get_by_label("Find", exact=True).fill("lynx")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(said).to_have_text("Found nowhere (2 looked through).")
