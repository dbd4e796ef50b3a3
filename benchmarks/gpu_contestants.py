"""Who is measured: openai-whisper as it is, transformers in batches, and our own slots."""

from __future__ import annotations

import importlib.util
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from whisper.decoding import DecodingOptions, decode
from whisper.model import Whisper

from benchmarks import gpu_pipeline
from benchmarks.gpu_device import allocated, wait
from benchmarks.gpu_model import LANGUAGE, Job
from benchmarks.gpu_pipeline import Timings
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.slots import SlotDecoder

Run = Callable[[Tensor], int]
"""Takes (windows, n_mels, 3000) to text, waits for the device, returns how many tokens were sampled."""


@dataclass(frozen=True)
class Contestant:
    """batch: windows decoded at once, and so the roofline's. windows: of one timed run.

    load_seconds: from weights on the device to readiness, captures included.
    resident: bytes that it keeps on the device, weights included.
    """

    name: str
    batch: int
    windows: int
    run: Run
    load_seconds: float = 0.0
    resident: int = 0
    timings: Timings | None = None


@dataclass(frozen=True)
class Entry:
    """A contestant to be: what it is called, and how it is got ready, which may fail."""

    name: str
    batch: int
    windows: int
    make: Callable[[], tuple[Run, Timings | None]]
    shared: int = 0

    def ready(self, job: Job) -> Contestant:
        before, begin = allocated(job.device), time.perf_counter()
        run, timings = self.make()
        wait(job.device)
        seconds = time.perf_counter() - begin
        resident = self.shared + allocated(job.device) - before
        return Contestant(self.name, self.batch, self.windows, run, seconds, resident, timings)


def crosses() -> tuple[str, ...]:
    """The ways in which our decoder can keep what its cross-attention reads; one nameless way in older ones."""
    known = "cross" in inspect.signature(SlotDecoder.__init__).parameters
    return ("keys_values", "int8", "absorbed") if known else ("",)


def slot_decoder(parameters: Parameters, slots: int, cross: str = "", graphs: bool = True) -> SlotDecoder:
    options: dict[str, Any] = {"cross": cross} if cross else {}
    return SlotDecoder(parameters, slots, graphs=graphs, **options)


def entries(
    job: Job, model: Whisper, parameters: Parameters, slots: tuple[int, ...], batches: tuple[int, ...], quick: bool
) -> Iterator[Entry]:
    """All contestants, in the order of their turns. The one model serves all of them."""
    yield Entry("openai-whisper, one at a time", 1, 2 if quick else 4, lambda: (openai(job, model), None), _size(model))
    for batch in batches if importlib.util.find_spec("transformers") else ():
        yield Entry(
            f"transformers, batches of {batch}", batch, batch if quick else 2 * batch, _theirs(job, model, batch)
        )
    for cross in crosses():
        for count in slots:
            name = f"ours, {count} slot{'s' if count > 1 else ''}{', ' if cross else ''}{cross}"
            windows = max(4, (2 if quick else 4) * count)
            yield Entry(name, count, windows, _ours(job, parameters, count, cross), _bytes(parameters))


def openai(job: Job, model: Whisper) -> Run:
    """`whisper.decode` of one window after the other; the weights in fp32, as `whisper.load_model` leaves them."""
    options = DecodingOptions(
        language=LANGUAGE,
        sample_len=job.tokens,
        suppress_tokens=[-1, job.vocabulary.eot],
        fp16=job.device.type == "cuda",
    )

    def run(mels: Tensor) -> int:
        tokens = 0
        for mel in mels:
            result = decode(model, mel if job.device.type == "cuda" else mel.float(), options)
            tokens += len(result.tokens)
        wait(job.device)
        return tokens

    return run


def _ours(job: Job, parameters: Parameters, slots: int, cross: str) -> Callable[[], tuple[Run, Timings]]:
    def make() -> tuple[Run, Timings]:
        decoder, timings = slot_decoder(parameters, slots, cross), Timings()
        decoder.warm_up()

        def run(mels: Tensor) -> int:
            results = gpu_pipeline.run(decoder, job, mels, timings)
            wait(job.device)
            return sum(len(result.tokens) for result in results)

        return run, timings

    return make


def _theirs(job: Job, model: Whisper, batch: int) -> Callable[[], tuple[Run, None]]:
    def make() -> tuple[Run, None]:
        from benchmarks.gpu_transformers import transformers_run

        return transformers_run(job, model, batch), None

    return make


def _size(model: Whisper) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _bytes(parameters: Parameters) -> int:
    """Of all tensors anywhere in the parameters."""
    found: dict[int, int] = {}
    _gather(parameters, found)
    return sum(found.values())


def _gather(value: Any, found: dict[int, int]) -> None:
    if isinstance(value, Tensor):
        found[value.data_ptr()] = value.numel() * value.element_size()
    elif isinstance(value, tuple):
        for item in value:
            _gather(item, found)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            _gather(getattr(value, name), found)
