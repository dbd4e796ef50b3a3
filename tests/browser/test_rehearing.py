"""A person hears a line again in the walk and on the page, compares both texts, keeps one, takes the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import open_transcript
from tests.conftest import MakeMedia
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def talk(fox: Path, make_media: MakeMedia) -> Path:
    return make_media("rehear.wav", "-stream_loop", "12", "-i", str(fox), "-t", "25")


def test_a_line_is_heard_again_watched_compared_kept_and_taken_by_keys(
    page: Page, stack: Stack, talk: Path, tmp_path: Path, picture: Picture
) -> None:
    page.get_by_role("region", name="New transcription").locator("summary", has_text="More options").click()
    page.get_by_role("region", name="New transcription").get_by_label("Word times").check()
    open_transcript(page, talk, tmp_path, "rehear.wav")
    page.get_by_role("button", name="Proofread").click()
    area = page.get_by_label("Text of the passage")
    expect(area).to_be_focused()
    page.keyboard.type("sleepy")
    page.keyboard.press("F2")
    expect(page.locator("[data-walk-alert]")).to_contain_text("Save what you typed first")
    page.keyboard.press("Enter")
    expect(page.locator(".segment", has_text="sleepy")).to_have_count(1)
    page.keyboard.press("Escape")

    dialog = page.locator("#rehear")
    sleepy = page.locator(".segment", has_text="sleepy")
    sleepy.locator(".segment__time").focus()
    page.keyboard.press("h")
    expect(dialog.get_by_label("Spoken language")).to_be_focused()
    picture(page, "rehear-form")
    with stack.engine.held():
        dialog.get_by_role("button", name="Hear again").click()
        expect(dialog.locator("[data-rehear-status]")).to_have_text("Transcribing")
        picture(page, "rehear-work")
    expect(dialog.locator("ins").first).to_contain_text("lazy")
    expect(dialog.locator("del").first).to_contain_text("sleepy")
    expect(dialog.locator("[data-rehear-take]")).to_be_focused()
    picture(page, "rehear-result")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(sleepy).to_have_count(1)

    sleepy.locator(".segment__time").focus()
    page.keyboard.press("h")
    dialog.get_by_role("button", name="Hear again").click()
    expect(dialog.locator("[data-rehear-take]")).to_be_focused()
    expect(dialog.locator("ins").first).to_contain_text("lazy")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "rehear-dark-phone")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(sleepy).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(sleepy).to_have_count(1)

    page.get_by_role("button", name="Proofread").click()
    expect(area).to_be_focused()
    page.keyboard.press("F2")
    dialog.get_by_role("button", name="Hear again").click()
    expect(dialog.locator("[data-rehear-take]")).to_be_focused()
    before = page.locator("[data-transcript]").get_attribute("data-revision")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("The new text stands there now.")).to_be_visible()
    expect(page.locator("[data-transcript]")).to_have_attribute("data-revision", str(int(before or 0) + 1))
    expect(page.locator("[data-walk]")).to_be_visible()
