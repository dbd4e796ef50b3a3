"""The Backend that opens models with openai-whisper."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import whisper

from transcription.engine.backend import Backend
from transcription.engine.cpu_replicas import weights_mib
from transcription.engine.torch_backend.device import configure
from transcription.engine.torch_backend.errors import translated_errors
from transcription.engine.torch_backend.limit import gpu_memory_mib, limit_memory
from transcription.engine.torch_backend.loading import load_whisper
from transcription.engine.whisper_backend.model import WhisperModel


class WhisperBackend(Backend):
    """openai-whisper, whose weights are float32 and are cast to float16 for each call on a GPU."""

    name = "openai-whisper"
    library_version = str(whisper.__version__)
    workers = 1

    def __init__(self, device: str, memory_limit_mib: int) -> None:
        self.device = device
        self.compute_type = "float16" if device == "cuda" else "float32"
        if device == "cuda":
            configure()
            limit_memory(memory_limit_mib)

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> WhisperModel:
        with translated_errors():
            return WhisperModel(load_whisper(name, path).to(self.device), self.device == "cuda")

    def memory_mib(self, path: Path) -> float:
        """Returns the memory that the weights take in MiB: twice the file, which has float16."""
        return 2 * weights_mib(path)

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        return gpu_memory_mib(self.device)
