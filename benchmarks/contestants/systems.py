"""Others' systems, each in the settings that were fastest for it on a CPU. All decode greedily, in English.

Libraries are imported where they are used: each process loads one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.serve import Open, Said, Setting, System, Transcribe, said

Samples = NDArray[np.int16]
One = Callable[[NDArray[np.float32]], list[Said]]
LONG_BATCH, CROWD_BATCH = 16, 8


@contextmanager
def openai_whisper(setting: Setting) -> Iterator[System]:
    """fp32, one recording after the other: its model belongs to one call at a time."""
    import torch

    from transcription.engine.torch_backend.loading import load_whisper

    torch.set_num_threads(setting.threads)
    model = load_whisper(setting.model, setting.files)

    def one(audio: NDArray[np.float32]) -> list[Said]:
        segments = model.transcribe(audio, language="en", fp16=False)["segments"]
        return [said(each["start"], each["end"], each["text"]) for each in segments]

    yield System(f"openai-whisper {version('openai-whisper')}, torch {torch.__version__}", _in_turn(one))


@contextmanager
def faster_whisper(setting: Setting, batched: bool) -> Iterator[System]:
    """int8: all threads for one recording, a worker on each for several.

    batched: cut at silences, the pieces decoded together, without a temperature fallback.
    """
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    def model(workers: int, threads: int, batch: int) -> One:
        plain = WhisperModel(str(setting.files), "cpu", compute_type="int8", cpu_threads=threads, num_workers=workers)
        options: dict[str, Any] = {"batch_size": batch} if batched else {}
        whisper: Any = BatchedInferencePipeline(plain) if batched else plain

        def one(audio: NDArray[np.float32]) -> list[Said]:
            segments, _ = whisper.transcribe(audio, language="en", beam_size=1, **options)
            return [said(each.start, each.end, each.text) for each in segments]

        return one

    alone = model(1, setting.threads, LONG_BATCH)
    libraries = f"faster-whisper {version('faster-whisper')}, ctranslate2 {version('ctranslate2')}"
    yield System(libraries, _by_number(_in_turn(alone), lambda: _at_once(model(setting.threads, 1, CROWD_BATCH))))


@contextmanager
def openvino(setting: Setting) -> Iterator[System]:
    """GenAI's pipeline, weights in int8: all threads for one recording, a pipeline on each for several."""
    import openvino_genai

    def pipeline(threads: int) -> One:
        whisper = openvino_genai.WhisperPipeline(
            str(setting.files), "CPU", INFERENCE_NUM_THREADS=threads, ENABLE_CPU_PINNING=False
        )
        knows_others = whisper.get_generation_config().is_multilingual
        told = {"language": "<|en|>", "task": "transcribe"} if knows_others else {}

        def one(audio: NDArray[np.float32]) -> list[Said]:
            result = whisper.generate(audio, return_timestamps=True, **told)
            length = len(audio) / 16_000
            # A last segment that is not closed ends at -1.
            return [
                said(each.start_ts, each.end_ts if each.end_ts >= 0 else length, each.text) for each in result.chunks
            ]

        return one

    alone = _in_turn(pipeline(setting.threads))
    crowd = partial(_pooled, partial(pipeline, 1), setting.threads)
    yield System(f"openvino-genai {version('openvino-genai')}", _by_number(alone, crowd))


@contextmanager
def whisper_cpp(setting: Setting) -> Iterator[System]:
    """q8_0: all threads for one recording, a model on each for several."""
    import _pywhispercpp
    from pywhispercpp.model import Model

    def model(threads: int) -> One:
        whisper = Model(
            str(setting.files),
            redirect_whispercpp_logs_to=None,
            n_threads=threads,
            language="en",
            greedy={"best_of": 1},
            print_progress=False,
            print_realtime=False,
            print_timestamps=False,
        )

        def one(audio: NDArray[np.float32]) -> list[Said]:
            return [said(each.t0 / 100, each.t1 / 100, f" {each.text}") for each in whisper.transcribe(audio)]

        return one

    alone = _in_turn(model(setting.threads))
    crowd = partial(_pooled, partial(model, 1), setting.threads)
    built = [flag for flag in ("AVX2", "AVX512", "AVX512_VNNI", "NEON") if f"{flag} = 1" in _flags(_pywhispercpp)]
    yield System(
        f"pywhispercpp {version('pywhispercpp')} (built for {' '.join(built)})",
        _by_number(alone, crowd),
    )


def _flags(library: Any) -> str:
    return str(library.whisper_print_system_info())


def _by_number(alone: Transcribe, crowd: Callable[[], Transcribe]) -> Transcribe:
    """One recording goes to `alone`, several to what `crowd` opens at the first need."""
    opened: list[Transcribe] = []

    def transcribe(recordings: Sequence[Samples]) -> list[list[Said]]:
        if len(recordings) == 1:
            return alone(recordings)
        if not opened:
            opened.append(crowd())
        return opened[0](recordings)

    return transcribe


def _in_turn(one: One) -> Transcribe:
    return lambda recordings: [one(_floats(samples)) for samples in recordings]


def _at_once(one: One) -> Transcribe:
    def transcribe(recordings: Sequence[Samples]) -> list[list[Said]]:
        with ThreadPoolExecutor(len(recordings)) as pool:
            return list(pool.map(one, map(_floats, recordings)))

    return transcribe


def _pooled(make: Callable[[], One], count: int) -> Transcribe:
    """Of `count` that `make` makes, each takes the next recording when it is free."""
    free: SimpleQueue[One] = SimpleQueue()
    for _ in range(count):
        free.put(make())

    def one(audio: NDArray[np.float32]) -> list[Said]:
        mine = free.get()
        try:
            return mine(audio)
        finally:
            free.put(mine)

    return _at_once(one)


def _floats(samples: Samples) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(32768.0)


SYSTEMS: dict[str, Open] = {
    "openai-whisper": openai_whisper,
    "faster-whisper": partial(faster_whisper, batched=False),
    "faster-whisper-batched": partial(faster_whisper, batched=True),
    "openvino-genai": openvino,
    "whisper.cpp": whisper_cpp,
}
