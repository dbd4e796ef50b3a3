"""A German film gets its English text beside it, its subtitles checked over the picture, and both into a video."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import TRANSCRIBED, open_transcript
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]
IS_PLACED = "video => new Promise(done => setInterval(() => video.currentTime > 1 && done(), 50))"


@pytest.fixture(scope="module")
def film(make_media: MakeMedia, fox: Path) -> Path:
    """Twenty-five seconds of a test picture, which Chromium plays without a decoder of others' patents."""
    sound = [
        "-stream_loop",
        "8",
        "-i",
        str(fox),
        "-t",
        "25",
        "-c:a",
        "libopus",
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
    ]
    return make_media(
        "film.webm", "-f", "lavfi", "-i", "testsrc=s=640x360:r=10", *sound, "-c:v", "libvpx", "-deadline", "realtime"
    )


def test_a_film_is_translated_beside_and_subtitled(page: Page, film: Path, tmp_path: Path, picture: Picture) -> None:
    page.locator("[data-options]").get_by_label("Spoken language").select_option("de")
    open_transcript(page, film, tmp_path, "a fox on film.webm")
    bar = page.locator("[data-beside]")
    expect(bar).to_contain_text("It counts as 0:25 of audio on your quota")
    bar.get_by_role("button", name="Translate into English").click()
    expect(bar.get_by_label("Beside")).to_be_visible(timeout=TRANSCRIBED)
    expect(page.locator(".segment__beside").first).to_contain_text("fox")
    expect(page.locator(".segment__text").first).to_contain_text("fox")
    picture(page, "beside")
    page.get_by_text("Download", exact=True).click()
    bilingual = page.locator("[data-beside-downloads] a", has_text=".txt")
    with page.expect_download() as saved:
        bilingual.click()
    assert saved.value.suggested_filename == "a fox on film.de.en.txt"
    page.reload()
    expect(page.locator(".segment__beside").first).to_contain_text("fox")
    page.get_by_role("button", name="Subtitles…").click()
    dialog = page.get_by_role("dialog", name="Subtitles")
    cues = dialog.locator("[data-place]")
    assert dialog.locator("video").get_attribute("src") is None, "nothing is played yet"
    expect(dialog.locator("[data-cue-counts]")).to_contain_text("with a problem")
    dialog.get_by_label("Shortest, seconds").fill("9")
    dialog.get_by_label("Characters per line").fill("24")
    expect(dialog.locator(".cues__mark", has_text="too short").first).to_be_visible()
    dialog.get_by_role("button", name="Next problem").click()
    expect(dialog.locator("[aria-current]")).to_have_count(1)
    expect(dialog.locator("[data-cue]")).to_contain_text("The quick brown")
    expect(dialog.locator("[data-cue] .frame__beside").first).to_contain_text("The quick")
    expect(dialog.locator("video")).to_be_visible()
    cues.nth(1).get_by_role("button").first.click()
    dialog.locator("video").evaluate(IS_PLACED)
    dialog.get_by_role("button", name="Play").click()
    expect(dialog.get_by_role("button", name="Pause")).to_be_visible()
    dialog.get_by_role("button", name="Pause").click()
    picture(page, "subtitles")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Download SubRip").click()
    assert saved.value.suggested_filename == "a fox on film.de.en.srt"
    assert max(map(len, Path(saved.value.path()).read_text().splitlines())) <= len("00:00:00,000 --> 00:00:00,000")
    dialog.get_by_role("button", name="In the picture (MP4)").click()
    video = dialog.locator("[data-video-list] li", has_text="in the picture (MP4), with the text beside")
    expect(video).to_be_visible()
    video.scroll_into_view_if_needed()
    picture(page, "a video is made")
    with page.expect_download() as saved:
        video.get_by_role("link", name="Download").click(timeout=3 * TRANSCRIBED)
    assert saved.value.suggested_filename == "a fox on film.subtitled.mp4"
    assert Path(saved.value.path()).read_bytes()[4:8] == b"ftyp"
    picture(page, "a video is there")
    video.get_by_role("button", name="Delete").click()
    expect(video).to_have_count(0)
    dialog.get_by_role("button", name="Go to this line").first.click()
    expect(page.locator("[data-index='0'] .segment__time")).to_be_focused()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "beside on a phone")
    page.get_by_role("button", name="More tools").click()
    page.get_by_role("button", name="Subtitles…").click()
    expect(cues.first).to_be_visible()
    picture(page, "subtitles on a phone")
