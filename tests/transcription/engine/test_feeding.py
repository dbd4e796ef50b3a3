"""Callers hand the engine as many windows as it has slots for, and share what it has room for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.transcription.engine.conftest import ROOT
from tests.transcription.engine.fake_backend import text_of
from tests.transcription.engine.serve_fake import WAITS_FOR
from tests.waiting import until
from transcription.engine import client as engine_client
from transcription.engine.client import EngineClient
from transcription.engine.local import wait_until_ready
from transcription.engine.types import DecodeOptions, EngineUnavailable, Lane, Window

SLOTS, STEPS, AHEAD = 32, 100, 8
CAPACITY = SLOTS + AHEAD + 1


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Runs an engine whose windows take STEPS steps of a millisecond or more, SLOTS of them side by side."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        address = str(Path(folder) / "socket")
        arguments = [address, "0", str(SLOTS), str(STEPS)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.transcription.engine.serve_fake", *arguments], cwd=ROOT
        )
        wait_until_ready(EngineClient(address), process)
        yield address
        process.kill()
        process.wait()


class Recording(threading.Thread):
    """Has some windows decoded, in a thread of its own; `in_flight` are those without an answer."""

    def __init__(
        self,
        address: str,
        windows: int,
        lane: Lane = "standard",
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._on_progress = on_progress
        self._client = EngineClient(address)
        self._options = DecodeOptions("base", language="en", lane=lane)
        self._count = windows
        self._sent = 0
        self.texts: list[str] = []
        self.most_in_flight = 0
        self.start()

    @property
    def in_flight(self) -> int:
        return self._sent - len(self.texts)

    def run(self) -> None:
        for result in self._client.decode(self._windows(), self._options, on_progress=self._on_progress):
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.texts.append(text_of(result))

    def _windows(self) -> Iterator[Window]:
        for number in range(self._count):
            self._sent = number + 1
            yield Window(number, float(number), number + 1.0, np.full(1600, 20 + number, np.int16))

    def finish(self) -> list[str]:
        self.join(60)
        assert not self.is_alive()
        return self.texts


def test_one_long_recording_fills_every_slot_in_its_order(address: str) -> None:
    recording = Recording(address, 100)
    assert recording.finish() == [f" w{20 + number}" for number in range(100)]
    assert SLOTS <= recording.most_in_flight <= CAPACITY + 1


def test_a_long_recording_makes_room_for_others(address: str) -> None:
    first = Recording(address, 300)
    while first.in_flight < SLOTS:
        assert first.is_alive()
    others = [Recording(address, 30) for _ in range(3)]
    least = CAPACITY
    while any(other.is_alive() for other in others):
        least = min(least, first.in_flight)
    assert least <= CAPACITY // 2
    assert first.is_alive()
    assert all(len(other.finish()) == 30 for other in others)
    assert len(first.finish()) == 300


def test_many_short_recordings_fill_every_slot_and_a_clip_goes_before_them(address: str) -> None:
    short, client = [Recording(address, 1) for _ in range(3 * SLOTS)], EngineClient(address)
    while client.status().windows_under_way < SLOTS:
        assert any(recording.is_alive() for recording in short)
    clip = Recording(address, 1, "interactive")
    clip.finish()
    assert any(recording.is_alive() for recording in short)
    assert all(len(recording.finish()) == 1 for recording in short)


def test_who_comes_while_the_gpu_is_tried_is_answered_and_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying a GPU takes minutes; without an answer meanwhile callers give up, and so does who watches the engine."""
    monkeypatch.setattr(engine_client, "SILENCE_SECONDS", 0.05)
    sign, progress = tmp_path / "tried", list[None]()
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        address = str(Path(folder) / "socket")
        command = [sys.executable, "-m", "tests.transcription.engine.serve_fake", address, "0"]
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {WAITS_FOR: str(sign)})
        client = EngineClient(address)
        until(lambda: Path(address).exists())
        status = client.status()
        assert (status.ready, status.backend, status.models) == (False, "", ("base",))
        assert "not ready" in client.order("load", "base")
        with pytest.raises(EngineUnavailable, match="still starting"):
            EngineClient(address, patience=0.1).mels("clinic")
        recording = Recording(address, 3, on_progress=lambda: progress.append(None))
        until(lambda: sum(client.status().queued_windows.values()) == 3 or not recording.is_alive())
        until(lambda: len(progress) > 1)  # by which whoever sent them knows that they are not lost
        sign.touch()
        assert recording.finish() == [" w20", " w21", " w22"]
        assert client.status().ready
        process.terminate()
        assert process.wait(20) == 0
