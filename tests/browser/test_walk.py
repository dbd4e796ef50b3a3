"""A person proofreads a transcript from the worst passage on, with the keyboard, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_checks import marked
from tests.browser.test_portal import audio_time, open_transcript
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def talk(fox: Path, make_media: MakeMedia) -> Path:
    return make_media("walk.wav", "-stream_loop", "12", "-i", str(fox), "-t", "25")


def test_passages_are_played_accepted_corrected_everywhere_and_undone_by_keys(
    page: Page, talk: Path, tmp_path: Path, picture: Picture
) -> None:
    page.get_by_role("region", name="New transcription").locator("summary", has_text="More options").click()
    page.get_by_role("region", name="New transcription").get_by_label("Word times").check()
    open_transcript(page, talk, tmp_path, "walk.wav")
    lines = 2
    expect(page.locator(".segment")).to_have_count(lines)
    page.get_by_role("button", name="Proofread").click()
    area = page.get_by_label("Text of the passage")
    expect(area).to_be_focused()
    expect(page.locator("[data-walk-place]")).to_contain_text(f"Passage 1 of {lines}")
    assert marked(page, "walk-passage") == "lazy"
    assert area.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == "lazy"
    picture(page, "walk")

    page.keyboard.press("Tab")
    expect(area).to_be_focused()
    expect(page.locator("audio")).to_have_js_property("paused", True)
    assert audio_time(page) > 0
    page.keyboard.press("Enter")
    expect(page.locator("[data-walk-place]")).to_contain_text(f"Passage 2 of {lines}")
    expect(page.locator("[data-checked]")).to_contain_text("Checked")
    page.keyboard.press("Control+z")
    expect(page.locator("[data-walk-place]")).to_contain_text(f"Passage 1 of {lines}")
    expect(page.locator("[data-checked]")).to_be_hidden()

    page.keyboard.type("sleepy")
    page.keyboard.press("Enter")
    expect(page.locator("[data-walk-alike-label]")).to_have_text("1 more place with “lazy”")
    page.locator("[data-walk-alike] summary").click()
    picture(page, "walk-alike")
    expect(page.locator("[data-walk-terms]")).to_contain_text("“sleepy” wherever “lazy” is heard")
    page.get_by_role("button", name="Add to the terms").click()
    page.locator(".toast", has_text="In the terms").get_by_role("button", name="Undo").click()
    toast = page.locator(".toast", has_text="No term replaces “lazy” any more.")
    expect(toast).to_be_visible()
    picture(page, "walk-toast")
    hides_the_panel = "(toast, panel) => toast.getBoundingClientRect().bottom > panel.getBoundingClientRect().top"
    assert not toast.evaluate(hides_the_panel, page.locator("[data-walk]").element_handle())
    page.get_by_role("button", name="Fix all").click()
    expect(page.locator(".segment", has_text="sleepy")).to_have_count(lines)
    expect(page.get_by_text("All doubtful passages are done.")).to_be_focused()
    expect(page.locator("[data-walk-account]")).to_contain_text("words.")
    picture(page, "walk-end")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".segment", has_text="lazy")).to_have_count(lines - 1)
    expect(area).to_be_focused()
    expect(page.locator("[data-walk-place]")).to_contain_text("Passage 2 of 2")
    page.keyboard.press("F8")
    expect(page.get_by_text("All doubtful passages are done.")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("[data-walk]")).to_be_hidden()

    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Proofread").click()
    expect(area).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "walk-dark-phone")
    page.keyboard.press("Escape")
    page.goto("/recordings/")
    expect(page.locator(".row", has_text="walk.wav")).to_contain_text("Checked")
    picture(page, "walk-library")
