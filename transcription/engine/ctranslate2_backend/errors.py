"""What a failure of the library means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory
from transcription.engine.types import EngineError

NO_MEMORY = ("out of memory", "bad_alloc", "failed to allocate")
LOST = ("CUDA", "cuBLAS", "cuDNN")


@contextmanager
def translated() -> Iterator[None]:
    """Raise OutOfDeviceMemory or DeviceLost for what means so; leave the rest as it is."""
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


@contextmanager
def damaged(file: Path) -> Iterator[None]:
    """Raise EngineError for whatever goes wrong while a file is read, but for a want of memory."""
    try:
        with translated():
            yield
    except (OutOfDeviceMemory, DeviceLost):
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EngineError(
            f"{file} is missing or damaged ({reason}): put a whole one there, or delete the folder {file.parent}, "
            "and the next start fetches it again"
        ) from error
