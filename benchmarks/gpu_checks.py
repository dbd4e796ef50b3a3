"""Whether the GPU computes what it should, on a small random model, before anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, decode
from whisper.model import Whisper

from benchmarks import gpu_pipeline
from benchmarks.continuous import decode_all
from benchmarks.gpu_contestants import crosses, slot_decoder
from benchmarks.gpu_model import LANGUAGE, SMALL, TINY, Job, random_whisper
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.parameters import Parameters, of_whisper

WINDOWS = 6
TOKENS = 32
CPU_TOKENS = 12


@dataclass(frozen=True)
class Check:
    """Two ways that should give the same tokens, and of how many windows they do."""

    name: str
    same: int
    windows: int
    largest_difference: float
    """Of a window's mean log-probability, over those with the same tokens."""

    failure: str = ""


def checks(device: torch.device) -> Iterator[Check]:
    """All comparisons that this device and this decoder know; a failing one doesn't stop the next."""
    for name, compare in _comparisons(device).items():
        try:
            with _exact_products():
                ours, theirs = compare()
            yield _compared(name, ours, theirs)
        except Exception as error:
            yield Check(name, 0, WINDOWS, 0.0, f"{type(error).__name__}: {error}".splitlines()[0])


def _comparisons(device: torch.device) -> dict[str, Callable[[], tuple[list[DecodeResult], list[DecodeResult]]]]:
    dims = SMALL if device.type == "cuda" else TINY
    model = random_whisper(dims, "cpu")
    job = Job(device, dims, TOKENS if device.type == "cuda" else CPU_TOKENS, "synthetic")
    exact = of_whisper(model, device, torch.float32)
    first, *others = crosses()
    whole = [job.tokens] * WINDOWS

    def ours(
        slots: int = 4, cross: str = first, parameters: Parameters = exact, graphs: bool = True
    ) -> list[DecodeResult]:
        return _decoded(job, parameters, slots, cross, graphs)

    found: dict[str, Callable[[], tuple[list[DecodeResult], list[DecodeResult]]]] = {
        "openai-whisper and ours, fp32": lambda: (_openai(job, model), ours()),
        "1 slot and 4, fp32": lambda: (ours(1), ours()),
        "encoder in its own stream and before, fp32": lambda: (
            _piped(job, exact),
            _decoded(job, exact, 4, first, True, whole),
        ),
    }
    for cross in others:
        found[f"{first} and {cross}, fp32"] = lambda cross=cross: (ours(), ours(cross=cross))  # type: ignore[misc]
    if device.type == "cuda":
        cpu = of_whisper(model, "cpu", torch.float32)
        half = of_whisper(model, device, torch.float16)
        found["CPU and CUDA, fp32"] = lambda: (_decoded(replace(job, device=cpu.device), cpu, 4, first, True), ours())
        for cross in (first, *others):
            found[f"graphs and none, fp16{', ' if cross else ''}{cross}"] = lambda cross=cross: (  # type: ignore[misc]
                ours(cross=cross, parameters=half),
                ours(cross=cross, parameters=half, graphs=False),
            )
    return found


def _lengths(job: Job) -> list[int]:
    """Tokens of each window: different ones, so that windows enter and leave at different times."""
    return [job.tokens - 3 * (number % 4) for number in range(WINDOWS)]


def _mels(job: Job) -> Tensor:
    """The same on every device."""
    return replace(job, device=torch.device("cpu")).mels(WINDOWS).to(job.device)


def _decoded(
    job: Job, parameters: Parameters, slots: int, cross: str, graphs: bool, lengths: Sequence[int] = ()
) -> list[DecodeResult]:
    """lengths: how many tokens each window gets; different ones unless given."""
    decoder = slot_decoder(parameters, slots, cross, graphs)
    encodings = Encoder(parameters.audio)(_mels(job))
    return decode_all(
        decoder, [job.request(encoding, n) for encoding, n in zip(encodings, lengths or _lengths(job), strict=True)]
    )


def _piped(job: Job, parameters: Parameters) -> list[DecodeResult]:
    """In the order of the windows, which with a single slot is that of their ends."""
    decoder = slot_decoder(parameters, 1, crosses()[0])
    return gpu_pipeline.run(decoder, job, _mels(job))


def _openai(job: Job, model: Whisper) -> list[DecodeResult]:
    """openai-whisper's own tokens."""
    model = model.to(job.device)
    results = []
    for mel, length in zip(_mels(job), _lengths(job), strict=True):
        options = DecodingOptions(
            language=LANGUAGE, sample_len=length, suppress_tokens=[-1, job.vocabulary.eot], fp16=False
        )
        result = decode(model, mel, options)
        total = result.avg_logprob * (len(result.tokens) + 1)
        results.append(DecodeResult(tuple(result.tokens), total, result.no_speech_prob))
    return results


def _compared(name: str, ours: Sequence[DecodeResult], theirs: Sequence[DecodeResult]) -> Check:
    same = sum(one.tokens == other.tokens for one, other in zip(ours, theirs, strict=True))
    largest = max(
        (
            abs(one.avg_logprob - other.avg_logprob)
            for one, other in zip(ours, theirs, strict=True)
            if one.tokens == other.tokens
        ),
        default=0.0,
    )
    return Check(name, same, len(ours), largest)


@contextmanager
def _exact_products() -> Iterator[None]:
    """fp32 is fp32: no TF32 in products and convolutions meanwhile."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
