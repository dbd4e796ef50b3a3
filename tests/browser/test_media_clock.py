"""The clock of the text is the clock of the browser's media element."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import MakeMedia
from tests.transcription.media.test_clock import gap, late
from tests.transcription.sound import heard
from transcription import media

LOUD_AT = """
async (sound) => {
  const audio = new Audio(`data:audio/${sound.kind};base64,${sound.data}`);
  await new Promise((done, fail) => {
    audio.onloadedmetadata = done;
    audio.onerror = () => fail(audio.error.message);
  });
  const context = new AudioContext();
  const meter = context.createAnalyser();
  context.createMediaElementSource(audio).connect(meter);
  audio.currentTime = sound.from;
  await audio.play();
  const wave = new Float32Array(meter.fftSize);
  return await new Promise((done) => {
    const look = () => {
      meter.getFloatTimeDomainData(wave);
      if (audio.ended || wave.some((value) => Math.abs(value) > 0.1)) done(audio.currentTime);
      else setTimeout(look, 5);
    };
    look();
  });
}
"""


def loud_at(browser: Browser, path: Path, since: float) -> float:
    """The second at which the media element plays the first tone after `since`."""
    page = browser.new_page()
    data = base64.b64encode(path.read_bytes()).decode()
    kind = "webm" if path.suffix == ".webm" else "mp4"
    found = page.evaluate(LOUD_AT, {"kind": kind, "data": data, "from": since})
    page.close()
    return float(found)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_sound_that_begins_late_is_heard_when_the_text_says(kind: str, browser: Browser, make_media: MakeMedia) -> None:
    path = late(make_media, kind, 5)
    found, _pcm, _warnings = heard(path)
    assert found.is_playable
    assert loud_at(browser, path, 5.5) == pytest.approx(6, abs=0.2)


def test_what_a_browser_would_play_through_is_heard_when_the_text_says(
    browser: Browser, make_media: MakeMedia, tmp_path: Path
) -> None:
    path = gap(make_media, "webm", 2)
    assert not heard(path)[0].is_playable
    media.make_playable(path, "matroska,webm", tmp_path / "copy.m4a", 60)
    assert loud_at(browser, tmp_path / "copy.m4a", 3.2) == pytest.approx(6, abs=0.2)
