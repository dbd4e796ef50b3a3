"""The error of a file of weights that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory
from transcription.engine.types import EngineError


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
