"""A transcript whose words are timed, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_portal import audio_time, open_transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MIDDLE_OF_THE_FIFTH_WORD = """
    const item = document.querySelector("[data-words]");
    const [from, to, start] = JSON.parse(item.dataset.words)[4];
    const text = item.querySelector(".segment__text").firstChild;
    const range = new Range();
    range.setStart(text, from);
    range.setEnd(text, to);
    const box = range.getBoundingClientRect();
    ({ x: box.x + box.width / 2, y: box.y + box.height / 2, start, word: range.toString() })
"""
MARKED = "[...(CSS.highlights.get('spoken-word') ?? [])].map(String).join()"


def test_a_click_on_a_word_plays_from_there_and_the_spoken_word_is_marked(
    page: Page, fox: Path, tmp_path: Path
) -> None:
    page.get_by_role("region", name="New transcription").locator("summary", has_text="More options").click()
    page.get_by_role("region", name="New transcription").get_by_label("Word times").check()
    open_transcript(page, fox, tmp_path, "words.wav")
    fifth = page.evaluate(MIDDLE_OF_THE_FIFTH_WORD)
    page.mouse.click(fifth["x"], fifth["y"])
    page.wait_for_function(f"{MARKED} !== ''")
    assert fifth["start"] - 0.01 <= audio_time(page) < fifth["start"] + 2
    page.locator("audio").evaluate(
        "(audio, seconds) => { audio.pause(); audio.currentTime = seconds; }", fifth["start"]
    )
    page.wait_for_function(f"{MARKED} === {fifth['word']!r}")
    expect(page.locator(".segment.is-spoken")).to_have_count(1)


def test_more_options_go_with_the_upload_and_stand_beside_its_text(page: Page, fox: Path, tmp_path: Path) -> None:
    upload = page.get_by_role("region", name="New transcription")
    upload.locator("summary", has_text="More options").click()
    upload.get_by_label("Mode", exact=True).select_option("fast")
    upload.get_by_label("Names and terms").fill("Renard\nReynard")
    upload.get_by_label("Search more carefully").check()
    open_transcript(page, fox, tmp_path, "named.wav")
    for told in ("Fast", "5 beams", "Renard, Reynard"):
        expect(page.locator(".recording__aside")).to_contain_text(told)
