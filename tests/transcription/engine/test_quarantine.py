"""A window that crashes the engine is identified and fails; other windows are only delayed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.transcription.engine.conftest import ROOT
from tests.transcription.engine.fake_backend import DEADLY, text_of
from transcription.engine.client import EngineClient
from transcription.engine.local import wait_until_ready
from transcription.engine.types import DecodeOptions, EngineError, Lane, Window, WindowFailed, WindowResult

BATCHES, SLOTS = 2, 0


class SupervisedEngine:
    """Runs an engine that is restarted whenever it exits."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.address = str(folder / "socket")
        self.crashes = 0
        self._command = [sys.executable, "-m", "tests.transcription.engine.serve_fake", self.address, str(workers)]
        self._process = self._started()
        wait_until_ready(EngineClient(self.address), self._process)
        self._closing = False
        self._keeper = threading.Thread(target=self._keep)
        self._keeper.start()

    def close(self) -> None:
        self._closing = True
        self._process.kill()
        self._keeper.join()

    def decode(self, *words: int, lane: Lane = "standard") -> list[WindowResult] | EngineError:
        """Returns what a client gets that sends these windows, several at a time."""
        windows = (Window(n, float(n), n + 1.0, np.full(16_000, word, np.int16)) for n, word in enumerate(words))
        try:
            return list(EngineClient(self.address).decode(windows, DecodeOptions("base", language="en", lane=lane)))
        except EngineError as error:
            return error

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=ROOT)

    def _keep(self) -> None:
        while self._process.wait() and not self._closing:
            self.crashes += 1
            self._process = self._started()
            if self._closing:
                self._process.kill()


@pytest.fixture(params=[BATCHES, SLOTS], ids=["batches", "slots"])
def engine(request: pytest.FixtureRequest) -> Iterator[SupervisedEngine]:
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        engine = SupervisedEngine(Path(folder), request.param)
        yield engine
        engine.close()


def is_whole(heard: list[WindowResult] | EngineError, words: range) -> bool:
    assert isinstance(heard, list), heard
    return [text_of(result) for result in heard] == [f" w{word}" for word in words]


def test_the_second_crash_identifies_the_window_and_fails_no_other(engine: SupervisedEngine) -> None:
    recordings = [range(100 * n, 100 * n + 30) for n in range(1, 5)]
    with ThreadPoolExecutor() as pool:
        heard = [pool.submit(engine.decode, *words) for words in recordings]
        deadly = pool.submit(engine.decode, 20, 21, DEADLY, 22).result(60)
        assert all(is_whole(one.result(60), words) for one, words in zip(heard, recordings, strict=True))
    assert isinstance(deadly, WindowFailed)
    assert str(deadly) == "window 2 (2.0 s) ended the engine while it was decoded alone"
    assert is_whole(engine.decode(*range(500, 510)), range(500, 510)), "the engine continues"
    assert engine.crashes == 2


def test_several_such_windows_are_identified_one_after_the_other(engine: SupervisedEngine) -> None:
    words = range(100, 150)
    with ThreadPoolExecutor() as pool:
        heard = pool.submit(engine.decode, *words)
        deadly = [pool.submit(engine.decode, DEADLY, 20 + n) for n in range(2)]
        assert all("ended the engine while it was decoded alone" in str(one.result(60)) for one in deadly)
        assert is_whole(heard.result(60), words)
    assert is_whole(engine.decode(*range(500, 510)), range(500, 510)), "the engine continues"
    assert engine.crashes <= 2 * 2
