"""Translates the errors of libraries that run models, and of files of weights, into the engine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transcription.engine.backend import DeviceBusy, DeviceLost, OutOfDeviceMemory
from transcription.engine.types import EngineError

NO_MEMORY = ("out of memory", "bad_alloc", "allocate", "ALLOC_FAILED", "NOT_INITIALIZED")
LOST = ("CUDA", "cuBLAS", "cuDNN")
"""What the messages of CTranslate2 and OpenVINO hold that say so."""

BUSY = ("busy or unavailable", "system not yet initialized", "MPS")
"""What cudaGetErrorString says of another process that has the device alone, of Fabric Manager, and of NVIDIA's MPS."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises OutOfDeviceMemory, DeviceBusy or DeviceLost for a library's errors that mean so; others pass unchanged."""
    try:
        yield
    except MemoryError as error:
        raise OutOfDeviceMemory("no memory left") from error
    except RuntimeError as error:
        reason = str(error)
        if any(sign in reason for sign in NO_MEMORY):
            raise OutOfDeviceMemory(reason) from error
        if any(sign in reason for sign in LOST):
            if any(sign in reason for sign in BUSY):
                raise DeviceBusy(reason) from error
            raise DeviceLost(reason) from error
        raise


@contextmanager
def damaged(file: Path) -> Iterator[None]:
    """Raises EngineError for any error while a file is read; OutOfDeviceMemory and DeviceLost pass unchanged."""
    try:
        yield
    except (OutOfDeviceMemory, DeviceLost):
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EngineError(
            f"{file} is missing or damaged ({reason}): put a whole one there, or delete the folder {file.parent}, "
            "and the next start fetches it again"
        ) from error
