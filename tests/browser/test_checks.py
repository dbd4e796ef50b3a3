"""A person proofreads what the engine doubts, in a real browser."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import audio_time, open_transcript
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RATE = 16_000
JUMP = """
    (audio, seconds) => new Promise((done) => {
        audio.pause();
        audio.addEventListener("seeked", () => requestAnimationFrame(done), { once: true });
        audio.currentTime = seconds;
    })
"""


@pytest.fixture
def doubtful(fox: Path, tmp_path: Path, make_media: MakeMedia) -> Path:
    """Speech, eight seconds of noise that the engine takes for words, and speech too quiet for the engine."""
    raw = make_media("fox.s16", "-i", str(fox), "-ac", "1", "-ar", str(RATE), "-f", "s16le")
    said = np.frombuffer(raw.read_bytes(), dtype="<i2")
    noise = np.random.default_rng(0).normal(0, 2000, 8 * RATE)
    sound = np.concatenate([np.resize(said, 15 * RATE), noise, np.resize(said, 45 * RATE) * 0.01])
    path = tmp_path / "source.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    return path


def marked(page: Page, name: str) -> str:
    """Returns the texts of a CSS highlight."""
    return str(page.evaluate(f"[...(CSS.highlights.get('{name}') ?? [])].map(String).join()"))


def start_of(line: Locator) -> float:
    return float(line.get_attribute("data-start") or 0)


def test_a_key_leads_from_one_doubtful_place_to_the_next(
    page: Page, doubtful: Path, tmp_path: Path, picture: Picture
) -> None:
    page.get_by_role("region", name="New transcription").locator("summary", has_text="More options").click()
    page.get_by_role("region", name="New transcription").get_by_label("Word times").check()
    open_transcript(page, doubtful, tmp_path, "doubtful.wav")
    noise = page.locator(".segment", has_text="No voice is heard here.")
    missed = page.locator(".segment", has_text="Speech without text")
    expect(noise).to_have_count(1)
    expect(missed).to_have_count(1)
    expect(page.locator("[data-check-count]")).to_have_text("2 places to check")
    picture(page, "checks", full_page=True)

    page.keyboard.press("F8")
    expect(noise.locator(".segment__time")).to_be_focused()
    expect(noise.locator(".segment__time")).to_have_accessible_description("No voice is heard here.")
    expect(noise).to_have_class(re.compile("is-spoken"))
    expect(page.locator("[data-check-count]")).to_have_text("1 of 2 places to check")
    assert start_of(noise) <= audio_time(page) < start_of(noise) + 5
    page.keyboard.press("n")
    expect(missed.locator(".segment__time")).to_be_focused()
    expect(missed).to_have_class(re.compile("is-spoken"))
    assert start_of(missed) <= audio_time(page) < start_of(missed) + 5
    page.keyboard.press("e")
    expect(page.locator(".segment__editor")).to_have_count(0)
    page.keyboard.press("Shift+N")
    expect(noise.locator(".segment__time")).to_be_focused()
    page.locator("audio").evaluate("audio => audio.pause()")

    page.get_by_role("button", name="Only these").click()
    expect(page.locator(".segment:visible")).to_have_count(2)
    page.keyboard.press("F8")
    page.keyboard.press("ArrowUp")
    expect(noise.locator(".segment__time")).to_be_focused()
    page.keyboard.press("e")
    page.locator(".segment__editor textarea").fill("Rain.")
    page.keyboard.press("Enter")
    expect(page.locator("[data-check-count]")).to_have_text("1 place to check")
    expect(page.get_by_text("Rain.")).to_be_visible()
    picture(page, "checks-only", full_page=True)
    page.get_by_role("button", name="Only these").click()
    expect(page.get_by_text("Rain.")).to_be_visible()
    page.reload()
    expect(page.locator("[data-check-count]")).to_have_text("1 place to check")


def test_words_that_the_model_is_unsure_of_can_be_found_and_clicked(page: Page, fox: Path, tmp_path: Path) -> None:
    page.get_by_role("region", name="New transcription").locator("summary", has_text="More options").click()
    page.get_by_role("region", name="New transcription").get_by_label("Word times").check()
    open_transcript(page, fox, tmp_path, "unsure.wav")
    lazy = page.locator("mark.unsure").first
    expect(lazy).to_have_text("lazy")
    expect(lazy).to_have_attribute("title", "The model is unsure of this word: 30 %")
    page.get_by_label("Find in this transcript").fill("the lazy dog")
    assert marked(page, "found") == "the lazy dog"
    lazy.click()
    expect(page.locator(".segment.is-spoken")).to_have_count(1)
    marks = page.locator(".segment").first.evaluate("item => JSON.parse(item.dataset.words)")
    assert marks[7][2] - 0.01 <= audio_time(page) < marks[7][2] + 1
    page.locator("audio").evaluate(JUMP, marks[8][2])
    assert marked(page, "spoken-word") == "dog"
