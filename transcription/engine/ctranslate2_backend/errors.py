"""Translates CTranslate2's errors into the engine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory

NO_MEMORY = ("out of memory", "bad_alloc", "failed to allocate")
LOST = ("CUDA", "cuBLAS", "cuDNN")


@contextmanager
def translated() -> Iterator[None]:
    """Raises OutOfDeviceMemory or DeviceLost for the library's errors that mean so; others pass unchanged."""
    try:
        yield
    except MemoryError as error:
        raise OutOfDeviceMemory("no memory left") from error
    except RuntimeError as error:
        reason = str(error)
        if any(sign in reason for sign in NO_MEMORY):
            raise OutOfDeviceMemory(reason) from error
        if any(sign in reason for sign in LOST):
            raise DeviceLost(reason) from error
        raise
