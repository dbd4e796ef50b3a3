"""Translates OpenVINO's errors into the engine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transcription.engine.backend import OutOfDeviceMemory

NO_MEMORY = ("out of memory", "bad_alloc", "allocate")


@contextmanager
def translated() -> Iterator[None]:
    """Raises OutOfDeviceMemory for the library's errors that mean so; others pass unchanged."""
    try:
        yield
    except MemoryError as error:
        raise OutOfDeviceMemory("no memory left") from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in NO_MEMORY):
            raise OutOfDeviceMemory(str(error)) from error
        raise
