"""Which backend to run on this machine, and with which weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from transcription.engine import guard
from transcription.engine.backend import Backend
from transcription.engine.types import EngineError
from transcription.engine.weights import Form, ensure, print_progress


def choose_backend(name: str, device: str, threads: int, memory_limit_mib: int) -> Backend:
    """A backend, not loaded yet: torch where there is a GPU, CTranslate2 elsewhere.

    memory_limit_mib caps the GPU's memory, or the process's own on a CPU; 0 is no cap.
    Raises EngineError where what is asked for isn't there.
    """
    if device == "auto":
        device = "cuda" if _has_gpu() else "cpu"
    if name == "auto":
        name = "torch" if device == "cuda" else "ctranslate2"
    if device == "cpu" and memory_limit_mib:
        guard.limit_memory(memory_limit_mib)
    if name == "torch":
        if importlib.util.find_spec("whisper") is None:
            raise EngineError("the torch backend needs torch and openai-whisper: install them")
        from transcription.engine.torch_backend import TorchBackend

        return TorchBackend(device, threads, memory_limit_mib)
    from transcription.engine.ctranslate2_backend import Ctranslate2Backend

    return Ctranslate2Backend(device, threads)


def weights_for(backend: Backend, models: Sequence[str], folder: Path, mirrors: Sequence[str] = ()) -> dict[str, Path]:
    """Each model's weights in the form that the backend reads, fetched where missing."""
    form: Form = "torch" if backend.name == "torch" else "ctranslate2"
    return {model: ensure(model, form, folder, print_progress, mirrors=mirrors) for model in models}


def _has_gpu() -> bool:
    """Whether torch sees a CUDA device; False without torch."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
