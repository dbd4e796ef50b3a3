"""The engine's own path on a GPU: TorchBackend.open, and windows through its queue, lanes, slots and word times.

Windows are the ladder's clip, over and over, each from another place on. With random weights each has 224 tokens at
temperature 1: at a lower one it would be decoded again.
"""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import whisper

from benchmarks.gpu_model import LARGE_V3, random_whisper
from benchmarks.untrained import untrained_whisper
from transcription.engine.backend import StepModel, Work
from transcription.engine.gpu_check import clip
from transcription.engine.gpu_check.rungs import Rung
from transcription.engine.lane_queue import Request, Stream
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler
from transcription.engine.torch_backend.backend import TorchBackend
from transcription.engine.types import (
    SAMPLE_RATE,
    WINDOW_SECONDS,
    DecodeOptions,
    EngineError,
    Lane,
    Window,
    WindowResult,
)

OPENAI_MIB = 9783
CLIP_SECONDS = 5.0
HOUR_SECONDS = 3600.0
LOAD = 0.75
AHEAD = 16
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Goal:
    """What was to be reached, and what was. required: in words; empty where a figure has no goal."""

    name: str
    required: str
    found: str
    met: bool | None


class Callers:
    """Sends windows of several recordings, and keeps the answers."""

    def __init__(self, scheduler: Scheduler, options: Sequence[DecodeOptions], streams: int = 1) -> None:
        self._scheduler = scheduler
        self._options = options
        self._streams = [Stream(options[0].lane) for _ in range(streams)]
        self._arrived = threading.Condition()
        self._answers: list[WindowResult | EngineError] = []
        self.sent = 0
        self.goes_on = False

    def send(self, seconds: float = WINDOW_SECONDS) -> None:
        number, self.sent = self.sent, self.sent + 1
        options = self._options[number % len(self._options)]
        work = Work(window(number, seconds), options, "en", options.temperature)
        request = Request(work, self._streams[number % len(self._streams)], self._take)
        self._scheduler.queue.submit(request)

    def wait_for(self, count: int) -> None:
        """Raises what a window failed with, or TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._answers) >= count, PATIENCE_SECONDS):
                raise TimeoutError(f"{len(self._answers)} of {count} windows in {PATIENCE_SECONDS:g} s")
            if errors := [answer for answer in self._answers if isinstance(answer, EngineError)]:
                raise errors[0]

    def _take(self, answer: WindowResult | EngineError) -> None:
        with self._arrived:
            self._answers.append(answer)
            self._arrived.notify_all()
        if self.goes_on:
            threading.Thread(target=self.send).start()  # the answer is given under the queue's lock


class Product:
    """An open model with the engine's threads around it. Raises what opening it raises."""

    def __init__(self, device: str, rung: Rung, name: str, path: Path, limit_mib: int, synthetic: bool) -> None:
        self.name, self._temperature = name, 1.0 if synthetic else 0.0
        backend = TorchBackend(device, 0, limit_mib, graphs=rung.name == "graphs", math_attention=rung.name == "math")
        queue = RequestQueue()
        models = Models(backend, queue)
        models.weights = {name: path}
        began = time.perf_counter()
        with models.using(name) as model:
            self.slots = cast("StepModel", model).slots
        self.opened_seconds = time.perf_counter() - began
        self.scheduler = Scheduler(backend, models, queue, AHEAD, lambda reason: print(reason, file=sys.stderr))
        self.scheduler.start({name: name})
        self.seconds(self.slots)  # the first windows load kernels

    def options(self, lane: Lane = "standard", **more: object) -> DecodeOptions:
        fields = {"language": "en", "temperature": self._temperature, "lane": lane, **more}
        return DecodeOptions(self.name, **fields)  # type: ignore[arg-type]

    def kinds(self) -> list[DecodeOptions]:
        """Returns options of eight windows: greedy ones, with a prompt, words, a temperature, and five beams."""
        plain, words = self.options(), self.options(word_timestamps=True)
        prompted, hotter = self.options(prompt=clip.BEFORE), self.options(temperature=max(0.2, self._temperature))
        searched = self.options(temperature=0.0, beam_size=5)
        return [searched, prompted, words, hotter, words, plain, prompted, plain]

    def seconds(self, windows: int, options: Sequence[DecodeOptions] = (), streams: int = 8) -> float:
        """Returns how long so many windows take."""
        callers, began = Callers(self.scheduler, options or [self.options()], streams), time.perf_counter()
        for _ in range(windows):
            callers.send()
        callers.wait_for(windows)
        return time.perf_counter() - began

    def clips(self, count: int) -> list[float]:
        """Returns the milliseconds of short clips, one after the other, in order of length."""
        found = []
        for _ in range(count):
            caller, began = Callers(self.scheduler, [self.options("interactive")]), time.perf_counter()
            caller.send(CLIP_SECONDS)
            caller.wait_for(1)
            found.append(1000 * (time.perf_counter() - began))
        return sorted(found)

    @contextmanager
    def load(self) -> Iterator[None]:
        """Keeps LOAD of the slots busy with long windows."""
        callers = Callers(self.scheduler, [self.options("bulk")], streams=8)
        callers.goes_on = True
        for _ in range(max(1, round(LOAD * self.slots))):
            callers.send()
        callers.wait_for(1)
        yield
        callers.goes_on = False
        callers.wait_for(callers.sent)

    def close(self) -> None:
        self.scheduler.stop(10.0)


def window(number: int, seconds: float) -> Window:
    """Returns a window of the clip from another place on for each number."""
    samples = np.roll(clip.window().samples, -number * SAMPLE_RATE // 4)
    return Window(number, 0.0, seconds, np.resize(samples, round(seconds * SAMPLE_RATE)))


def goals(product: Product, quick: bool, capped: float | None) -> list[Goal]:
    """Measures all. capped: the speed within OPENAI_MIB, None where that was not measured."""
    turns = 1 if quick else 6
    speed = WINDOW_SECONDS * turns * product.slots / product.seconds(turns * product.slots)
    kinds = product.kinds()
    mixed = WINDOW_SECONDS * turns * product.slots / product.seconds(turns * product.slots, kinds)
    hour_windows = turns if quick else round(HOUR_SECONDS / WINDOW_SECONDS)
    hour = product.seconds(hour_windows, streams=1) * HOUR_SECONDS / WINDOW_SECONDS / hour_windows
    alone = product.clips(2 if quick else 40)
    with product.load():
        loaded = product.clips(2 if quick else 100)
    found = [
        _goal("audio seconds a second, offline", "≥ 2,500", speed, speed >= 2500),
        _goal("… prompts, beams, temperatures, words", "", mixed, None),
        _goal("an hour alone, seconds" + (" (from fewer windows)" if quick else ""), "≤ 3", hour, hour <= 3),
        _goal("a clip of 5 s alone, p50, ms", "≤ 40", alone[len(alone) // 2], alone[len(alone) // 2] <= 40),
        _goal("… at 75 % load, p95, ms", "≤ 150", _p95(loaded), _p95(loaded) <= 150),
    ]
    if capped is not None:
        found.append(_goal(f"audio seconds a second within {OPENAI_MIB} MiB", "≥ 900", capped, capped >= 900))
    return found


def _goal(name: str, required: str, found: float, met: bool | None) -> Goal:
    return Goal(name, required, f"{found:,.0f}" if found >= 100 else f"{found:.1f}", met)


def _p95(ordered: Sequence[float]) -> float:
    return ordered[int(0.95 * len(ordered))]


@contextmanager
def synthetic_weights(tiny: bool) -> Iterator[tuple[str, Path]]:
    """Yields the name and the file of a model with random weights, in openai-whisper's form."""
    model, name = (untrained_whisper(), "untrained") if tiny else (random_whisper(LARGE_V3, "cpu"), "large-v3")
    if tiny:
        heads = np.ones((model.dims.n_text_layer, model.dims.n_text_head), dtype=bool)
        whisper._ALIGNMENT_HEADS[name] = base64.b85encode(gzip.compress(heads.tobytes()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.pt"
        torch.save({"dims": asdict(model.dims), "model_state_dict": model.half().state_dict()}, path)
        yield name, path


def speed_within(limit_mib: int, arguments: Sequence[str]) -> float:
    """Measures the speed within a limit of memory, in a process of its own. Raises RuntimeError."""
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments, "--limit-mib", str(limit_mib)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return float(json.loads(done.stdout.splitlines()[-1])["speed"])
