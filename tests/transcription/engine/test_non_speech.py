"""There is no text where nobody speaks, and speech is never dropped as silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.transcription.engine.conftest import Engine, speech
from transcription.engine.client import EngineClient
from transcription.engine.exact import transcribe_exactly
from transcription.engine.modes import transcribe
from transcription.engine.non_speech import NonSpeechFinder
from transcription.engine.types import MODES, SAMPLE_RATE, DecodeOptions, Mode, Window, WindowResult
from transcription.engine.windows import fast_windows

HOTWORDS = "Dr. Grünwald, Kowalczyk, Acme Industries, Whisper Portal, Zanzibar"
NAMES = ("nwald", "kowal", "acme", "portal", "zanzibar")
CLIPS = ("en/hello_world", "es/conteo", "fr/pangrama", "hi/ginti", "ja/kazoeru", "pl/liczenie", "zh/jishu")


def room(seconds: float) -> bytes:
    """Returns faint noise, most of it in the low frequencies."""
    chance = np.random.default_rng(3)
    spectrum = np.fft.rfft(chance.normal(0, 1, round(seconds * SAMPLE_RATE)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)))
    return scaled(noise, 30.0)


def tones(seconds: float) -> bytes:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return scaled(np.sum([np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330, 440)], axis=0), 2000.0)


def music(seconds: float) -> NDArray[np.float64]:
    """Returns plucked chords, two a second."""
    beat = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    chords = [110 * 2 ** ((root + step) / 12) for root in (0, 5, 7, 9) for step in (0, 4, 7, 12)]
    notes = [np.sum([np.sin(2 * np.pi * n * hertz * beat) / n for n in range(1, 9)], axis=0) for hertz in chords]
    bar = np.concatenate([np.sum(notes[at : at + 4], axis=0) * np.exp(-2 * beat) for at in range(0, 16, 4)])
    return np.resize(bar, round(seconds * SAMPLE_RATE))


def under_music(pcm: bytes, ratio: float) -> bytes:
    """Returns speech mixed with music; ratio: of speech to music in decibels."""
    sound = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    played = music(len(sound) / SAMPLE_RATE)
    power = np.sqrt(np.mean(sound**2)) * 10 ** (-ratio / 20)
    mixed = sound + played * power / np.sqrt(np.mean(played**2))
    return pcm_of(mixed / np.abs(mixed).max() * 20000)


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * SAMPLE_RATE))


def scaled(sound: NDArray[np.float64], root_mean_square: float) -> bytes:
    loudness = np.sqrt(np.mean(sound**2))
    return pcm_of(sound * root_mean_square / loudness)


def quieter(pcm: bytes, decibels: float) -> bytes:
    sound = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    return pcm_of(sound / np.abs(sound).max() * 32767 * 10 ** (-decibels / 20))


def noisy(pcm: bytes, ratio: float) -> bytes:
    """Returns speech mixed with white noise; ratio: of speech to noise in decibels."""
    sound = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    power = np.sqrt(np.mean(sound**2)) * 10 ** (-ratio / 20)
    noise = np.random.default_rng(0).normal(0, power, len(sound))
    return pcm_of(sound + noise)


def pcm_of(sound: NDArray[np.float64]) -> bytes:
    return bytes(sound.clip(-32768, 32767).astype("<i2").tobytes())


def heard(client: EngineClient, pcm: bytes, mode: Mode, hotwords: str = HOTWORDS, words: bool = False) -> str:
    asked = DecodeOptions("base", language="en", hotwords=hotwords, word_timestamps=words)
    results = transcribe(client, [pcm], asked, mode)
    return "".join(segment.text for result in results for segment in result.segments).lower()


def exact_windows(pcm: bytes, skip_non_speech: bool = True) -> list[Window]:
    """Returns the windows of a recording in which the text of each reaches its end."""
    asked: list[Window] = []

    def decode(windows: Iterable[Window]) -> Iterator[WindowResult]:
        for window in windows:
            asked.append(window)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, ())

    options = DecodeOptions("base", language="en", skip_non_speech=skip_non_speech)
    list(transcribe_exactly([pcm], decode, options, 80))
    return asked


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sound", [room, tones, silence])
def test_hotwords_do_not_come_out_where_nobody_speaks(
    client: EngineClient, sound: Callable[[float], bytes], mode: Mode
) -> None:
    assert heard(client, sound(20.0), mode) == ""
    assert heard(client, sound(45.0), mode, hotwords="") == ""


@pytest.mark.parametrize("mode", MODES)
def test_hotwords_do_not_follow_what_is_said(client: EngineClient, fox: bytes, mode: Mode) -> None:
    text = heard(client, fox + room(24.0), mode, words=True)
    assert "fox" in text
    assert not any(name in text for name in NAMES)


@pytest.mark.parametrize("mode", MODES)
def test_a_voice_under_music_is_heard_and_music_alone_is_not(client: EngineClient, mode: Mode) -> None:
    said = speech("en/quick_brown_fox") + speech("en/counting") + speech("en/hello_world")
    hidden = under_music(said, -10.0)
    finder = NonSpeechFinder()
    finder.feed(np.frombuffer(hidden, dtype="<i2"))
    assert finder.silences(len(hidden) / 2 / SAMPLE_RATE).doubted, "the voice detector hears little of it"
    text = heard(client, hidden, mode)
    assert "brown" in text
    assert "7" in text or "seven" in text
    assert heard(client, scaled(music(12.0), 3000.0), mode) == ""
    recording = hidden + scaled(music(24.0), 3000.0) + hidden
    assert heard(client, recording, mode).count("brown") == 2, "also in a recording of several windows"


def test_fast_windows_hold_what_is_loud_and_pass_over_what_is_quiet(fox: bytes) -> None:
    loud, quiet = scaled(music(70.0), 3000.0), quieter(room(70.0), 55.0)
    windows = list(fast_windows([fox + loud + fox + quiet + fox]))
    doubted = [window for window in windows if window.is_doubted]
    length = len(fox) / 2 / SAMPLE_RATE
    assert [round(window.end - window.start) for window in doubted] == [30, 30, 10]
    assert all(length - 1 < window.start and window.end < length + 71 for window in doubted)
    assert [window.index for window in windows] == list(range(6))
    assert all(before.end <= after.start for before, after in pairwise(windows))
    for done, window in enumerate(windows, start=1):
        again = list(fast_windows([fox + loud + fox + quiet + fox], start=window.end))
        assert [(w.index, w.start, w.non_speech) for w in again] == [
            (w.index, w.start, w.non_speech) for w in windows[done:]
        ]


def test_the_beginning_of_speech_does_not_make_the_silence_before_it_loud(fox: bytes) -> None:
    """The detector hears a voice half a second late, so that its first sound is not in the window of speech."""
    breath = np.random.default_rng(3).normal(0, 900, SAMPLE_RATE // 5).astype("<i2").tobytes()
    silence = bytes(2 * SAMPLE_RATE)
    (window,) = fast_windows([25 * silence + breath + silence[: SAMPLE_RATE // 2] + fox + 10 * silence])
    assert not window.is_doubted
    assert 24.5 < window.start < 26.0


def test_a_phrase_between_two_voices_may_be_sung(fox: bytes) -> None:
    """The text of a loud stretch that is too short for a window of its own is kept."""
    finder = NonSpeechFinder()
    finder.feed(np.frombuffer(fox + scaled(music(4.0), 3000.0) + fox + room(4.0) + fox, dtype="<i2"))
    assert len(finder.spans()) == 2
    (quiet,) = finder.silences(100.0).non_speech
    assert quiet[0] > 9.0


@pytest.mark.slow
def test_hotwords_do_not_come_out_on_torch_either(torch_engine: Engine, fox: bytes) -> None:
    text = heard(EngineClient(torch_engine.address), fox + room(31.0) + fox, "exact")
    assert text.count("fox") == 2
    assert not any(name in text for name in NAMES)


def test_a_window_of_noise_between_two_of_speech_is_skipped_and_times_stay_right(
    client: EngineClient, fox: bytes
) -> None:
    pause = 40.0
    results = list(transcribe(client, [fox + room(pause) + fox], DecodeOptions("base", language="en"), "exact"))
    segments = [segment for result in results for segment in result.segments]
    second = len(fox) / 2 / SAMPLE_RATE + pause
    assert [segment for segment in segments if 5.0 < segment.end < second] == []
    assert any(abs(segment.start - second) < 1.5 for segment in segments)


def test_exact_windows_end_where_a_long_silence_begins_and_go_on_where_it_ends(fox: bytes) -> None:
    first, second = exact_windows(fox + room(20.0) + fox)
    length = len(fox) / 2 / SAMPLE_RATE
    assert first.start == 0.0
    assert length - 1.0 < first.end < length + 1.5
    assert length + 18.0 < second.start < length + 20.5
    assert second.end >= 2 * length + 19.5


def test_a_pause_is_no_reason_for_another_window(fox: bytes) -> None:
    assert len(exact_windows(fox + room(3.0) + fox)) == 1


def test_with_the_switch_off_windows_are_openai_whispers(fox: bytes) -> None:
    pcm = fox + silence(40.0)
    assert [window.start for window in exact_windows(pcm, skip_non_speech=False)] == [0.0, 30.0]
    assert all(window.non_speech == () for window in exact_windows(pcm, skip_non_speech=False))
    assert len(list(fast_windows([room(20.0)], skip_non_speech=False))) == 1


@pytest.mark.parametrize("clip", CLIPS)
def test_faint_and_noisy_speech_is_never_taken_for_silence(clip: str) -> None:
    said = speech(clip)
    for pcm in (quieter(said, 40.0), quieter(said, 60.0), noisy(said, 0.0), quieter(noisy(said, 5.0), 40.0)):
        finder = NonSpeechFinder()
        finder.feed(np.frombuffer(pcm, dtype="<i2"))
        assert sum(end - start for start, end in finder.spans()) < 0.4 * len(pcm) / 2 / SAMPLE_RATE
