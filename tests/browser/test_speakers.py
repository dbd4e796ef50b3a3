"""Who speaks, on a transcript's page in a real browser: two speakers take turns of four seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import open_transcript
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def talk(fox: Path, make_media: MakeMedia) -> Path:
    return make_media("talk.wav", "-stream_loop", "12", "-i", str(fox), "-t", "25")


def names(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".segment__speaker").all_inner_texts()]


def test_speakers_are_named_merged_filtered_and_given_lines_with_undo(
    page: Page, talk: Path, tmp_path: Path, picture: Picture
) -> None:
    page.get_by_role("region", name="New transcription").get_by_label("Speakers").select_option("auto")
    open_transcript(page, talk, tmp_path, "talk.wav")
    chips = page.locator("[data-voice]")
    expect(chips).to_have_count(2)
    before = names(page)
    assert {"Speaker 1", "Speaker 2"} == set(before)
    picture(page, "speakers", full_page=True)

    chips.filter(has_text="Speaker 2").get_by_role("button", name="Name or merge").click()
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill("Dr. Li")
    picture(page, "speaker-name")
    page.keyboard.press("Enter")
    expect(page.locator("[data-voice]").filter(has_text="Dr. Li")).to_have_count(1)
    assert names(page) == [name.replace("Speaker 2", "Dr. Li") for name in before]
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("[data-voice]").filter(has_text="Speaker 2")).to_have_count(1)
    assert names(page) == before

    page.locator("button.segment__time").first.focus()
    page.keyboard.press("s")
    page.get_by_label("Who speaks").select_option(label="Somebody new")
    picture(page, "speaker-whose")
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator("[data-voice]")).to_have_count(3)
    assert names(page) == ["Speaker 3", *before[1:]]

    page.locator(".segment").nth(1).hover()
    page.locator("[data-whose]").nth(1).click()
    page.get_by_label("Who speaks").select_option(label="Speaker 3")
    page.get_by_label("All lines of Speaker 2").check()
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator("[data-voice]")).to_have_count(2)
    merged = ["Speaker 3" if name == "Speaker 2" else name for name in ["Speaker 3", *before[1:]]]
    assert names(page) == merged

    only = page.get_by_role("button", name="Only Speaker 1")
    only.click()
    expect(page.locator(".segment:visible")).to_have_count(merged.count("Speaker 1"))
    expect(only).to_have_attribute("aria-pressed", "true")
    only.click()
    expect(page.locator(".segment:visible")).to_have_count(len(merged))
    page.get_by_role("button", name="Next turn of Speaker 1").click()
    expect(page.locator("button.segment__time:focus")).to_have_count(1)
    page.reload()
    assert names(page) == merged

    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "speakers-dark-phone", full_page=True)
