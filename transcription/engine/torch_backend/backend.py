"""Batches of windows through our own decoder."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from whisper.tokenizer import Tokenizer

from transcription.engine.backend import (
    Decoded,
    DeviceLost,
    Language,
    OutOfDeviceMemory,
    Work,
)
from transcription.engine.fallback import compression_ratio
from transcription.engine.segments import pieces
from transcription.engine.torch_backend.continuous import decode_all
from transcription.engine.torch_backend.loading import load_whisper
from transcription.engine.torch_backend.mel import log_mel, silent_padding
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.requests import Request, Result
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.vocabulary import start_of, tokenizer_of
from transcription.engine.types import SAMPLE_RATE

MIB = 1024 * 1024
CPU_SLOTS, GPU_SLOTS = 4, 16


@dataclass(frozen=True, slots=True)
class _Loaded:
    decoder: SlotDecoder
    tokenizer: Tokenizer


class TorchBackend:
    """Whisper in fp16 on a GPU, in fp32 on a CPU.

    One worker: a decoder's slots belong to one call at a time.
    """

    name = "torch"
    library_version = str(torch.__version__)
    workers = 1

    def __init__(self, device: str, threads: int, memory_limit_mib: int) -> None:
        self.device = device
        self.compute_type = "float16" if device == "cuda" else "float32"
        self.gather_seconds = 0.005 if device == "cuda" else 0.0
        self._models: dict[str, _Loaded] = {}
        if threads:
            torch.set_num_threads(threads)
        if device == "cuda" and memory_limit_mib:
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, memory_limit_mib * MIB / total))

    def load(self, models: dict[str, Path]) -> None:
        with _translated_errors():
            self._models = {name: self._open(name, path) for name, path in models.items()}

    def knows(self, model: str, language: str) -> bool:
        return language in self._models[model].tokenizer.all_language_codes

    def detect(self, batch: Sequence[Work]) -> list[Language]:
        decoder = self._models[batch[0].options.model].decoder
        with _translated_errors():
            found = decoder.detect(torch.stack(self._encodings(decoder, batch)))
        return [Language(code, probability) for code, probability in found]

    def batch_key(self, work: Work) -> Hashable:
        # A slot has its own language, task, prompt and temperature.
        return work.options.model

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        loaded = self._models[batch[0].options.model]
        with _translated_errors():
            encodings = self._encodings(loaded.decoder, batch)
            requests = [
                _request(loaded.decoder, work, encoding) for work, encoding in zip(batch, encodings, strict=True)
            ]
            results = decode_all(loaded.decoder, requests)
        return [_decoded(loaded.tokenizer, work, result) for work, result in zip(batch, results, strict=True)]

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        if self.device != "cuda" or not self._models:
            return None
        free, total = torch.cuda.mem_get_info()
        return (total - free) / MIB, total / MIB

    def _open(self, name: str, path: Path) -> _Loaded:
        # On the CPU first: the fused projections alone go to the GPU.
        parameters = of_whisper(load_whisper(name, path, "cpu"), self.device)
        decoder = SlotDecoder(parameters, GPU_SLOTS if self.device == "cuda" else CPU_SLOTS)
        decoder.warm_up(sampled=True)
        return _Loaded(decoder, tokenizer_of(parameters.dims, "en", "transcribe"))

    def _encodings(self, decoder: SlotDecoder, batch: Sequence[Work]) -> list[Tensor]:
        """The encoder's output for each window, (1500, state), run only where it is missing.

        On a CPU one window at a time: the attention of several doesn't fit its caches.
        """
        missing = [work for work in batch if work.encoding is None]
        step = 1 if self.device == "cpu" else max(1, len(missing))
        for at in range(0, len(missing), step):
            part = missing[at : at + step]
            mels = torch.stack([_log_mel(decoder, work) for work in part])
            for work, encoding in zip(part, decoder.encode(mels), strict=True):
                work.encoding = encoding
        return [work.encoding for work in batch if isinstance(work.encoding, Tensor)]


def _log_mel(decoder: SlotDecoder, work: Work) -> Tensor:
    """Log-mel spectrogram of a window padded to 30 s with silence; shape (n_mels, 3000)."""
    # The copy: samples that came over the wire are read-only, which torch warns about.
    samples = torch.from_numpy(work.window.samples.copy()).to(decoder.parameters.device)
    return log_mel(samples, decoder.parameters.dims.n_mels, silent_padding(samples))


def _request(decoder: SlotDecoder, work: Work, encoding: Tensor) -> Request:
    options = work.options
    start = start_of(decoder.parameters.dims, work.language, options.task, options.prompt)
    # The same recording gets the same text again, and a hotter try another draw.
    seed = 1000 * work.window.index + round(100 * work.temperature)
    return Request(encoding, start, work.temperature, seed)


def _decoded(tokenizer: Tokenizer, work: Work, result: Result) -> Decoded:
    def text_of(tokens: Sequence[int]) -> str:
        return str(tokenizer.decode([token for token in tokens if token < tokenizer.eot]))

    return Decoded(
        pieces=pieces(
            result.tokens,
            len(work.window.samples) / SAMPLE_RATE,
            tokenizer.timestamp_begin,
            text_of,
        ),
        avg_logprob=result.avg_logprob,
        no_speech_prob=result.no_speech_prob,
        compression_ratio=compression_ratio(text_of(result.tokens).strip()),
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Tell the scheduler what a failure of torch means."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise OutOfDeviceMemory(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if "CUDA" in reason or "cuBLAS" in reason or "CUBLAS" in reason or "cuDNN" in reason:
            raise DeviceLost(reason) from error
        raise
