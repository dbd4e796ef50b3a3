"""The language of each window is detected in recordings that hold several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from tests.transcription.engine.conftest import speech
from transcription.engine.backend import Language, Work
from transcription.engine.client import EngineClient
from transcription.engine.fast import transcribe_fast
from transcription.engine.language_mix import MAX_FUTILE_SPLITS, LanguageMix
from transcription.engine.modes import transcribe
from transcription.engine.spoken_language import among, followed
from transcription.engine.types import MODES, SAMPLE_RATE, DecodeOptions, Mode, Window, WindowResult

ENGLISH = Language("en", 1.0)


@pytest.fixture(scope="module")
def conversation(fox: bytes, counting: bytes) -> bytes:
    """Returns English speech and, after ten seconds of silence, Chinese."""
    return (fox + counting) * 2 + bytes(10 * 2 * SAMPLE_RATE) + speech("zh/pangrama") + speech("zh/jishu")


def found(**chances: float) -> Language:
    code = max(chances, key=lambda code: chances[code])
    return Language(code, chances[code], chances)


def work(seconds: float) -> Work:
    samples = np.zeros(round(seconds * SAMPLE_RATE), dtype=np.int16)
    return Work(Window(1, 30.0, 30.0 + seconds, samples), DecodeOptions("base"))


def heard(probability: float) -> WindowResult:
    return WindowResult(0, 0.0, 30.0, "en", probability, ())


@pytest.mark.parametrize("mode", MODES)
def test_each_window_is_heard_in_its_own_language(client: EngineClient, conversation: bytes, mode: Mode) -> None:
    results = list(transcribe(client, [conversation], DecodeOptions("base"), mode))
    assert (results[0].language, results[-1].language) == ("en", "zh")


def test_without_following_the_first_language_is_kept(client: EngineClient, conversation: bytes) -> None:
    results = transcribe(client, [conversation], DecodeOptions("base", follow_language=False), "fast")
    assert {result.language for result in results} == {"en"}


def test_detection_is_limited_to_the_languages_named(client: EngineClient, conversation: bytes) -> None:
    results = transcribe(client, [conversation], DecodeOptions("base", languages=("es", "ja")), "fast")
    assert {result.language for result in results} <= {"es", "ja"}


def test_the_likeliest_of_those_named_is_taken() -> None:
    language = among(found(en=0.7, de=0.2, nl=0.1), ("de", "nl"))
    assert (language.code, round(language.probability, 3)) == ("de", 0.667)
    assert among(found(en=0.7, de=0.3), ()).code == "en"


def test_another_language_has_to_be_clear_and_long_enough() -> None:
    assert followed(found(fr=0.9, en=0.05), ENGLISH, work(10.0)).code == "fr"
    assert followed(found(pl=0.45, cs=0.3, en=0.01), ENGLISH, work(10.0)).code == "pl"
    assert followed(found(fr=0.6, en=0.05), ENGLISH, work(10.0)).code == "en"
    assert followed(found(fr=0.72, en=0.28), ENGLISH, work(10.0)).code == "en"
    assert followed(found(fr=0.9, en=0.05), ENGLISH, work(1.0)).code == "en"


def lasting(seconds: float) -> Window:
    return Window(0, 0.0, seconds, np.zeros(1, np.int16))


def test_an_unclear_window_is_halved_unless_it_is_short_or_that_was_in_vain() -> None:
    mix = LanguageMix()
    assert mix.is_mixed(heard(0.5), lasting(30.0))
    assert not mix.is_mixed(heard(0.9), lasting(30.0))
    for _ in range(MAX_FUTILE_SPLITS):
        assert not mix.is_mixed(heard(0.5), lasting(8.0))
    assert not mix.is_mixed(heard(0.5), lasting(30.0))


def test_the_parts_of_a_mixed_window_are_all_of_it(fox: bytes, counting: bytes) -> None:
    asked: list[Window] = []

    def unclear(windows: Iterable[Window]) -> Iterator[WindowResult]:
        return (WindowResult(window.index, window.start, window.end, "en", 0.5, ()) for window in windows)

    def half(window: Window) -> WindowResult:
        asked.append(window)
        return WindowResult(window.index, window.start, window.end, "fr", 0.9, ())

    def again(window: Window, language: str) -> WindowResult:
        raise AssertionError("nothing is left over")

    pcm = (fox + counting) * 4
    results = list(transcribe_fast([pcm], unclear, again, decode_half=half))
    assert [result.language for result in results] == ["fr", "fr"]
    assert results[0].end == results[1].start
    assert b"".join(window.samples.tobytes() for window in asked) == pcm
