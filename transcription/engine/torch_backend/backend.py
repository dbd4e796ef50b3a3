"""Batches of windows through openai-whisper's decoder."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from whisper.audio import N_SAMPLES, log_mel_spectrogram
from whisper.decoding import DecodingOptions, DecodingResult, decode, detect_language
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from transcription.engine.backend import (
    Decoded,
    DeviceLost,
    Language,
    OutOfDeviceMemory,
    Work,
)
from transcription.engine.segments import pieces
from transcription.engine.torch_backend.loading import load_whisper
from transcription.engine.types import SAMPLE_RATE

MIB = 1024 * 1024


class TorchBackend:
    """openai-whisper's model in fp16 on a GPU, in fp32 on a CPU.

    One worker: its key/value cache hangs on hooks in the model, which belong to one call.
    """

    name = "torch"
    library_version = str(torch.__version__)
    workers = 1

    def __init__(self, device: str, threads: int, memory_limit_mib: int) -> None:
        self.device = device
        self.compute_type = "float16" if device == "cuda" else "float32"
        self.gather_seconds = 0.005 if device == "cuda" else 0.0
        self._models: dict[str, Whisper] = {}
        if threads:
            torch.set_num_threads(threads)
        if device == "cuda" and memory_limit_mib:
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, memory_limit_mib * MIB / total))

    def load(self, models: dict[str, Path]) -> None:
        with _translated_errors():
            self._models = {name: load_whisper(name, path, self.device) for name, path in models.items()}

    def knows(self, model: str, language: str) -> bool:
        return language in self._tokenizer(model).all_language_codes

    def detect(self, batch: Sequence[Work]) -> list[Language]:
        name = batch[0].options.model
        with _translated_errors():
            _, chances = detect_language(self._models[name], self._encoded(batch), self._tokenizer(name))
        best = [max(chance.items(), key=lambda item: item[1]) for chance in chances]
        return [Language(code, float(probability)) for code, probability in best]

    def batch_key(self, work: Work) -> Hashable:
        # openai-whisper decodes a batch under one set of options.
        options = work.options
        return (options.model, options.task, options.prompt, work.language, work.temperature)

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        first = batch[0]
        options = DecodingOptions(
            task=first.options.task,
            language=first.language,
            temperature=first.temperature,
            prompt=first.options.prompt.strip() or None,
            fp16=self.device == "cuda",
        )
        with _translated_errors():
            results = decode(self._models[first.options.model], self._encoded(batch), options)
        tokenizer = self._tokenizer(first.options.model)
        return [_decoded(tokenizer, work, result) for work, result in zip(batch, results, strict=True)]

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        if self.device != "cuda" or not self._models:
            return None
        free, total = torch.cuda.mem_get_info()
        return (total - free) / MIB, total / MIB

    def _tokenizer(self, model: str) -> Tokenizer:
        loaded = self._models[model]
        return get_tokenizer(
            loaded.is_multilingual,
            num_languages=loaded.num_languages,
            language="en",
            task="transcribe",
        )

    def _encoded(self, batch: Sequence[Work]) -> Tensor:
        """The encoder's output, shape (batch, 1500, state), run only where it is missing."""
        model = self._models[batch[0].options.model]
        missing = [work for work in batch if work.encoding is None]
        if missing:
            mels = torch.stack([_log_mel(work, model) for work in missing])
            with torch.inference_mode():
                output = model.encoder(mels.half() if self.device == "cuda" else mels)
            for work, encoding in zip(missing, output, strict=True):
                work.encoding = encoding
        return torch.stack([work.encoding for work in batch if isinstance(work.encoding, Tensor)])


def _log_mel(work: Work, model: Whisper) -> Tensor:
    """Log-mel spectrogram of a window padded to 30 s with silence; shape (n_mels, 3000)."""
    # The copy: samples that came over the wire are read-only, which torch warns about.
    samples = torch.from_numpy(work.window.samples.copy()).to(model.device).float() / 32768.0
    padding = N_SAMPLES - len(samples)
    mel: Tensor = log_mel_spectrogram(samples, model.dims.n_mels, padding=padding)
    return mel


def _decoded(tokenizer: Tokenizer, work: Work, result: DecodingResult) -> Decoded:
    return Decoded(
        pieces=pieces(
            result.tokens,
            len(work.window.samples) / SAMPLE_RATE,
            tokenizer.timestamp_begin,
            lambda tokens: tokenizer.decode([t for t in tokens if t < tokenizer.eot]),
        ),
        avg_logprob=result.avg_logprob,
        no_speech_prob=result.no_speech_prob,
        compression_ratio=result.compression_ratio,
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
