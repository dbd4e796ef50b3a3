"""A member enrols the voice with the microphone, is named in a new recording, and deletes it, in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_live_text import SAY
from tests.browser.test_portal import open_transcript
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def account(page: Page) -> None:
    page.get_by_label("Your account").click()
    page.get_by_role("link", name="Your voice").click()


def read_aloud(page: Page) -> None:
    for number in range(3):
        sentence = page.locator("[data-sentence]").nth(number)
        sentence.get_by_role("button", name="Record").click()
        expect(sentence.locator("[data-state]")).to_have_text("Read the sentence aloud, then stop.")
        page.wait_for_timeout(700)
        sentence.get_by_role("button", name="Stop").click()
        expect(sentence.locator("[data-state]")).to_have_text("This one is good.")


def test_a_voice_is_enrolled_recognised_and_deleted(
    page: Page, fox: Path, make_media: MakeMedia, tmp_path: Path, picture: Picture
) -> None:
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("button", name="Let members enrol their voices").click()
    picture(page, "voices-people", full_page=True)
    account(page)
    page.evaluate(SAY, base64.b64encode(fox.read_bytes()).decode())
    page.get_by_label("How you are named in transcripts").fill("Dr. Fox")
    page.get_by_role("button", name="Enrol").click()
    assert page.get_by_label("This is my own voice").evaluate("box => !box.validity.valid")
    page.get_by_label("This is my own voice").check()
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator(".sentence__state.is-bad")).to_have_count(3)
    read_aloud(page)
    picture(page, "voices-read", full_page=True)
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator(".toast")).to_contain_text("Your voice is enrolled.")
    expect(page.get_by_role("heading", name="Enrolled")).to_be_visible()

    page.goto("/recordings/")
    talk = make_media("talk.wav", "-stream_loop", "12", "-i", str(fox), "-t", "25")
    page.get_by_role("region", name="New transcription").get_by_label("Speakers").select_option("auto")
    open_transcript(page, talk, tmp_path, "voices.wav")
    known = page.locator("[data-voice]").filter(has_text="Dr. Fox")
    expect(known.get_by_text("recognised")).to_be_visible()
    picture(page, "voices-recognised", full_page=True)

    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/voice/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "voices-dark-phone", full_page=True)
    page.get_by_label("Take my name out of the 1 transcript").check()
    page.get_by_role("button", name="Delete my voice").click()
    expect(page.locator(".toast").first).to_contain_text("Your voice was deleted.")
    expect(page.locator(".toast").last).to_contain_text("taken out of 1 transcript")
    page.goto("/people/")
    page.get_by_role("button", name="End it, and delete all voices").click()
    page.get_by_role("button", name="Delete all voices", exact=True).click()
    expect(page.get_by_role("button", name="Let members enrol their voices")).to_be_visible()
