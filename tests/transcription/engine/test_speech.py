"""Both backends transcribe speech correctly."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.transcription.engine.conftest import Engine
from transcription.engine.client import EngineClient
from transcription.engine.types import DecodeOptions, WindowResult
from transcription.engine.windows import fast_windows


def hear(client: EngineClient, pcm: bytes, options: DecodeOptions) -> list[WindowResult]:
    return list(client.decode(fast_windows([pcm]), options))


def words(results: list[WindowResult]) -> str:
    text = "".join(segment.text for result in results for segment in result.segments)
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def test_the_fox_jumps_over_the_dog(client: EngineClient, fox: bytes, english: DecodeOptions) -> None:
    (result,) = hear(client, fox, english)
    assert "quick brown fox jumps over the lazy dog" in words([result])
    assert result.segments[0].text.startswith(" ")
    assert result.segments[-1].end <= result.end


@pytest.mark.slow
def test_the_fox_jumps_on_torch_too(torch_engine: Engine, fox: bytes, english: DecodeOptions) -> None:
    torch = EngineClient(torch_engine.address)
    assert "quick brown fox jumps over the lazy dog" in words(hear(torch, fox, english))
    assert torch.status().backend == "torch"


@pytest.mark.slow
def test_torch_finds_languages_side_by_side(torch_engine: Engine, fox: bytes, conteo: bytes) -> None:
    torch = EngineClient(torch_engine.address)
    with ThreadPoolExecutor(2) as pool:
        heard = list(pool.map(lambda pcm: hear(torch, pcm, DecodeOptions("base"))[0], [fox, conteo]))
    assert [result.language for result in heard] == ["en", "es"]


def test_two_recordings_share_batches_and_keep_their_own_text(client: EngineClient, fox: bytes, conteo: bytes) -> None:
    automatic = DecodeOptions("base")
    prompted = replace(automatic, prompt="Uno, dos, tres.", lane="interactive")
    with ThreadPoolExecutor(6) as pool:
        foxes = [pool.submit(hear, client, fox, automatic) for _ in range(3)]
        counts = [pool.submit(hear, client, conteo, prompted) for _ in range(3)]
        assert all("quick brown fox" in words(fox.result()) for fox in foxes)
        assert all(count.result()[0].language == "es" for count in counts)
        assert all({"4", "cuatro"} & set(words(count.result()).split()) for count in counts)


def test_a_long_recording_comes_back_in_order_and_in_its_own_time(client: EngineClient, lecture: bytes) -> None:
    results = hear(client, lecture, DecodeOptions("base"))
    segments = [segment for result in results for segment in result.segments]
    assert len(results) == 4
    assert [result.index for result in results] == list(range(len(results)))
    assert {result.language for result in results} == {"en"}
    assert words(results).count("fox") == 4
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)


NO_SPEECH = 0.6
"""openai-whisper's threshold, above which an unlikely text is dropped as silence."""


def test_what_is_heard_in_silence_is_marked_as_doubtful(client: EngineClient, english: DecodeOptions) -> None:
    (result,) = client.decode(fast_windows([bytes(10 * 32_000)], skip_non_speech=False), english)
    assert all(segment.no_speech_prob > NO_SPEECH for segment in result.segments)


def test_spanish_is_translated_to_english(client: EngineClient, conteo: bytes) -> None:
    heard = words(hear(client, conteo, DecodeOptions("base", language="es", task="translate")))
    assert {"2", "two"} & set(heard.split())
