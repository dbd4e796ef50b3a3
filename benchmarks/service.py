"""The whole service against its own engine: `python -m benchmarks.service`.

Starts the product as `make run` does, then sends the same work, in turn, through POST /v1/audio/transcriptions,
straight to the engine's socket, and to faster-whisper's own `transcribe` with its defaults in this process: what a
server built on it, such as speaches, needs at the least. Prints what the service costs on top.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import jiwer
import psutil
from faster_whisper import WhisperModel

from benchmarks.speech import ROOT, Clip, clips, long_recording, pcm
from benchmarks.table import machine, print_table, spread
from tests.stack import Stack, start, stop
from transcription.engine.client import EngineClient
from transcription.engine.types import DecodeOptions
from transcription.engine.windows import fast_windows

ROUNDS = 11
THROUGHPUT_ROUNDS = 3
AT_ONCE = 8
UPLOAD_MIB = 500
WEIGHTS = Path(os.environ.get("WHISPER_WEIGHTS") or ROOT / "var" / "models") / "ctranslate2" / "base"
NORMAL = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip(),
     jiwer.ReduceToListOfListOfWords()]
)  # fmt: skip


class Service:
    """Both ways to the same engine, and the peer on the same weights."""

    def __init__(self, stack: Stack) -> None:
        self._client = httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=600)
        self._engine = EngineClient(str(stack.data / "run" / "engine.sock"))
        self._peer = WhisperModel(str(WEIGHTS), device="cpu", compute_type="int8")

    def post(self, clip: Clip) -> str:
        with clip.path.open("rb") as file:
            answer = self._client.post(
                "/v1/audio/transcriptions", data={"model": "whisper-1", "language": "en"}, files={"file": file}
            )
        answer.raise_for_status()
        return str(answer.json()["text"])

    def decode(self, samples: bytes) -> str:
        windows = fast_windows([samples])
        results = self._engine.decode(windows, DecodeOptions(model="base", language="en", lane="interactive"))
        return "".join(segment.text for result in results for segment in result.segments).strip()

    def peer(self, clip: Clip) -> str:
        segments, _about = self._peer.transcribe(str(clip.path), language="en")
        return "".join(segment.text for segment in segments).strip()


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure_clip(service: Service, clip: Clip) -> None:
    samples = pcm(clip.path)
    service.post(clip)
    through, alone, peer = [], [], []
    for _ in range(ROUNDS):
        through.append(timed(lambda: service.post(clip)))
        alone.append(timed(lambda: service.decode(samples)))
        peer.append(timed(lambda: service.peer(clip)))
    cost = [1000 * (a - b) for a, b in zip(through, alone, strict=True)]
    print_table(
        f"One clip of {clip.seconds:.1f} s, {ROUNDS} rounds, median (least–most)",
        ["service", "engine alone", "the service costs", "faster-whisper in process"],
        [[spread(through), spread(alone), spread(cost, "ms", 0), spread(peer)]],
    )


def measure_eight(service: Service, chosen: list[Clip]) -> None:
    seconds = sum(clip.seconds for clip in chosen)
    samples = [pcm(clip.path) for clip in chosen]
    through, alone, peer = [], [], []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(THROUGHPUT_ROUNDS):
            through.append(seconds / timed(lambda: list(pool.map(service.post, chosen))))
            alone.append(seconds / timed(lambda: list(pool.map(service.decode, samples))))
            peer.append(seconds / timed(lambda: list(pool.map(service.peer, chosen))))
    _print_speeds(f"{len(chosen)} clips at once, {seconds:.0f} s of audio", through, alone, peer)


def measure_long(service: Service, clip: Clip) -> None:
    samples = pcm(clip.path)
    through, alone, peer = [], [], []
    for _ in range(THROUGHPUT_ROUNDS):
        through.append(clip.seconds / timed(lambda: service.post(clip)))
        alone.append(clip.seconds / timed(lambda: service.decode(samples)))
        peer.append(clip.seconds / timed(lambda: service.peer(clip)))
    _print_speeds(f"One recording of {clip.seconds:.0f} s", through, alone, peer)


def measure_accuracy(service: Service, spoken: list[Clip]) -> None:
    heard = [service.post(clip) for clip in spoken]
    output = jiwer.process_words(
        [clip.text for clip in spoken], heard, reference_transform=NORMAL, hypothesis_transform=NORMAL
    )
    seconds = sum(clip.seconds for clip in spoken)
    print_table(
        "Word error rate through the API, base",
        ["clips", "audio", "words", "WER"],
        [[str(len(spoken)), f"{seconds:.0f} s", str(sum(len(c.text.split()) for c in spoken)), f"{output.wer:.1%}"]],
    )


def measure_memory(stack: Stack, service: Service) -> None:
    before = _memory(stack)
    peak = dict(before)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(_upload_large, stack)
        while not sent.done():
            for name, size in _memory(stack).items():
                peak[name] = max(peak.get(name, 0), size)
            time.sleep(0.05)
    rows = [
        [name, f"{size:.0f} MB", f"{peak[name] - size:+.0f} MB"]
        for name, size in sorted(before.items())
        if name in peak
    ]
    print_table(
        f"Resident memory, and its growth during an upload of {UPLOAD_MIB} MiB (answer {sent.result()})",
        ["process", "at rest", "growth"],
        rows,
    )


def _upload_large(stack: Stack) -> int:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.truncate(UPLOAD_MIB * 1024**2)
        with Path(file.name).open("rb") as body:
            files = {"file": ("large.wav", body)}
            answer = httpx.post(f"{stack.url}/api/v1/recordings", headers=stack.bearer, files=files, timeout=600)
    return answer.status_code


def _memory(stack: Stack) -> dict[str, float]:
    """Megabytes by what a process is, the largest of each kind."""
    sizes: dict[str, float] = {}
    for process in [stack.process, *psutil.Process(stack.process.pid).children(recursive=True)]:
        try:
            known = psutil.Process(process.pid)
            name = _kind(known)
            sizes[name] = max(sizes.get(name, 0), known.memory_info().rss / 1e6)
        except psutil.Error:
            continue
    return sizes


def _kind(process: psutil.Process) -> str:
    line = " ".join(process.cmdline()) or process.name()
    for mark in ("uvicorn", "engine", "sweeper", "valkey", "reporter", "worker", "gpuworker"):
        if mark in line:
            return mark
    return line[:40]


def _print_speeds(title: str, through: list[float], alone: list[float], peer: list[float]) -> None:
    share = [a / b for a, b in zip(through, alone, strict=True)]
    print_table(
        f"{title}, {THROUGHPUT_ROUNDS} rounds, median (least–most)",
        ["service", "engine alone", "service / engine", "faster-whisper in process"],
        [
            [
                *(spread(speeds, "× real time", 1) for speeds in (through, alone)),
                spread(share, "", 2),
                spread(peer, "× real time", 1),
            ]
        ],
    )


def main() -> None:
    print(machine())
    spoken = clips()
    five = min(spoken, key=lambda clip: abs(clip.seconds - 5))
    with tempfile.TemporaryDirectory(prefix="wp-bench-") as folder:
        stack = start(Path(folder))
        try:
            service = Service(stack)
            measure_clip(service, five)
            measure_eight(service, spoken[:AT_ONCE])
            measure_long(service, long_recording(spoken, 240, Path(folder) / "long.wav"))
            measure_accuracy(service, spoken)
            measure_memory(stack, service)
        finally:
            stop(stack)


if __name__ == "__main__":
    main()
