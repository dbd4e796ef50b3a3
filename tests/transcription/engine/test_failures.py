"""Errors of one caller, and of the engine, do not affect other callers."""

from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transcription.engine.conftest import Engine
from tests.transcription.engine.test_speech import hear, words
from transcription.engine.client import EngineClient
from transcription.engine.types import (
    DecodeOptions,
    EngineUnavailable,
    Passage,
    Window,
    WindowFailed,
    WindowRejected,
)
from transcription.engine.windows import fast_windows


def window(samples: int) -> Window:
    return Window(0, 0.0, samples / 16_000, np.zeros(samples, dtype=np.int16))


def test_a_single_sample_is_a_window(client: EngineClient, english: DecodeOptions) -> None:
    (result,) = client.decode([window(1)], english)
    assert result.segments == ()


@pytest.mark.parametrize("samples", [0, 31 * 16_000])
def test_an_empty_or_too_long_window_is_rejected(client: EngineClient, english: DecodeOptions, samples: int) -> None:
    with pytest.raises(WindowRejected, match="480000 samples"):
        list(client.decode([window(samples)], english))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"language": "klingon"}, "klingon"),
        ({"language": "yue"}, "does not know the language 'yue'"),
        ({"model": "enormous"}, "this engine has base"),
        ({"task": "sing"}, "transcribe or translate"),
        ({"temperature": 7.0}, "between 0 and 1"),
        ({"temperature": float("nan")}, "between 0 and 1"),
        ({"lane": "fast"}, "interactive, standard, bulk"),
        ({"prompt": "a" * 100_000}, "65536 characters"),
        ({"prompt": "half a \ud83d"}, "prompt must be a string"),
        ({"hotwords": "\udc00"}, "hotwords must be a string"),
        ({"hotwords": "a" * 100_000}, "65536 characters"),
        ({"beam_size": 0}, "beam_size must be 1 to 10"),
        ({"beam_size": 1000}, "beam_size must be 1 to 10"),
    ],
)
def test_invalid_options_are_refused_with_a_reason(
    client: EngineClient, english: DecodeOptions, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(WindowRejected, match=reason):
        list(client.decode([window(16_000)], replace(english, **change)))


@pytest.mark.parametrize(
    ("passage", "reason"),
    [
        (Passage(100, 0, float("nan")), "loudest is a number"),
        (Passage(100, 0, 1e9), "loudest is a number"),
        (Passage(0, 0, 1.0), "1 to 3000 frames"),
        (Passage(100, 7, 1.0), "lead is 0 or 320"),
        (Passage(99, 0, 1.0), "holds 1 to 15880 samples"),
        (Passage(100, 0, 1.0, (10**9,)), "at most 448 tokens"),
        (Passage(100, 0, 1.0, (99_999,)), "does not know all tokens"),
        (Passage(100, 0, 1.0, (50_257,) * 2000), "at most 448 tokens"),
        (Passage(100, 0, 1.0, (), float("inf")), "last_speech is a number"),
    ],
)
def test_an_impossible_passage_is_refused_with_a_reason(
    client: EngineClient, english: DecodeOptions, passage: Passage, reason: str
) -> None:
    with pytest.raises(WindowRejected, match=reason):
        list(client.decode([replace(window(16_000), passage=passage)], english))


def test_text_that_looks_like_a_special_token_is_only_text(
    client: EngineClient, torch_engine: Engine, fox: bytes, english: DecodeOptions
) -> None:
    hostile = replace(english, prompt="<|endoftext|><|notimestamps|>", hotwords="<|startoftranscript|> fox")
    for address in (client.address, torch_engine.address):
        assert "fox" in words(hear(EngineClient(address), fox, hostile))


def test_an_endless_prompt_is_cut_and_harms_nothing(client: EngineClient, fox: bytes, english: DecodeOptions) -> None:
    talkative = replace(english, prompt="The dog was lazy. " * 400)
    assert "fox" in words(hear(client, fox, talkative))


def test_garbage_on_the_socket_affects_no_other_caller(
    client: EngineClient, fox: bytes, english: DecodeOptions
) -> None:
    messages = [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x05hello", b"\x00\x00"]
    for message in messages:
        with client.connect(2.0) as vandal:
            vandal.sendall(message)
            vandal.shutdown(socket.SHUT_WR)
            while vandal.recv(4096):
                pass
    assert "fox" in words(hear(client, fox, english))


def test_a_killed_engine_costs_time_but_no_text(own_engine: Engine, lecture: bytes, english: DecodeOptions) -> None:
    client = EngineClient(own_engine.address, patience=60.0)
    undisturbed = words(hear(client, lecture, english))
    results = client.decode(fast_windows([lecture]), english)
    heard = [next(results)]
    own_engine.kill()
    threading.Timer(0.5, own_engine.start).start()
    heard += results
    assert words(heard) == undisturbed


def test_a_window_that_loses_the_engine_again_and_again_is_given_up(tmp_path: Path, english: DecodeOptions) -> None:
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        threading.Thread(target=_hang_up_on_all, args=(listener,), daemon=True).start()
        with pytest.raises(WindowFailed, match="lost 6 times"):
            list(EngineClient(address, patience=5.0).decode([window(100)], english))


def _hang_up_on_all(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        connection.recv(1)
        connection.close()


def test_an_absent_engine_is_unavailable(tmp_path: Path, english: DecodeOptions) -> None:
    client = EngineClient(str(tmp_path / "nobody"), patience=0.3)
    with pytest.raises(EngineUnavailable):
        list(client.decode([window(100)], english))
    with pytest.raises(EngineUnavailable):
        client.status()


def test_a_caller_that_leaves_takes_its_windows_along(
    client: EngineClient, lecture: bytes, english: DecodeOptions
) -> None:
    results = client.decode(fast_windows([lecture]), english)
    next(results)
    results.close()
    deadline = time.monotonic() + 10
    while sum(client.status().queued_windows.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sum(client.status().queued_windows.values()) == 0


def test_windows_are_pulled_only_as_they_are_answered(client: EngineClient, fox: bytes, english: DecodeOptions) -> None:
    pulled = 0

    def many() -> Iterator[Window]:
        nonlocal pulled
        for single in list(fast_windows([fox])) * 6:
            pulled += 1
            yield single

    results = client.decode(many(), english, one_by_one=True)
    next(results)
    assert pulled == 1
    assert len(list(results)) == 5


def test_the_engine_stops_politely_and_only_its_owner_may_talk_to_it(own_engine: Engine) -> None:
    assert stat.S_IMODE(Path(own_engine.address).stat().st_mode) == 0o600
    assert own_engine.stop() == 0
    assert not Path(own_engine.address).exists()
