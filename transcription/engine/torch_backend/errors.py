"""What torch's failures mean for whoever called a model.

Errors of the CUDA runtime are of a class of their own and have a code; those of cuBLAS, cuDNN and the driver have
neither, but name the status in a fixed place.
"""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory

Meaning = Literal["no memory", "lost", "ours"]

MEMORY_ALLOCATION = 2
"""cudaErrorMemoryAllocation."""

HARMLESS = {1, 9, 98, 209, 600, 701, 801, *range(900, 909)}
"""Codes of the CUDA runtime after which the device still works: what was asked for was wrong.

Invalid value, configuration and function, no kernel for this card, not ready, too many resources asked for, not
supported, and everything about captures (cudaErrorInvalidValue to cudaErrorStreamCaptureWrongThread in
driver_types.h). All others, such as an illegal address, stay until the process ends.
"""

LIBRARY = re.compile(r"^(?:CUDA|cuDNN|cuFFT|cusolver) error: ((?:CUBLAS|CUDNN|CUFFT|CUSOLVER)_\w+)")
"""An error of one of CUDA's libraries begins so, with its status."""

NO_MEMORY_STATUS = re.compile(r"_ALLOC_FAILED|CUBLAS_STATUS_NOT_INITIALIZED|_STATUS_NOT_INITIALIZED")
"""A library that finds no memory for its handle is not initialised."""

HARMLESS_STATUS = re.compile(r"_NOT_SUPPORTED|_INVALID_VALUE|_BAD_PARAM|_ARCH_MISMATCH")

DRIVER = re.compile(r"^CUDA driver error: (.+)")
NO_DRIVER_MEMORY = "out of memory"

CPU_ALLOCATOR = re.compile(
    rf"DefaultCPUAllocator: (?:not enough memory|can't allocate memory.*Error code {errno.ENOMEM}\b)"
)
"""torch's CPU allocator has no class of its own for it."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raises OutOfDeviceMemory, DeviceLost after which no call succeeds, or the error as it is."""
    try:
        yield
    except MemoryError as error:
        raise OutOfDeviceMemory("no memory left") from error
    except RuntimeError as error:
        meaning, reason = meaning_of(error), str(error).splitlines()[0] if str(error) else repr(error)
        if meaning == "no memory":
            # What the call had allocated hangs on the frames of the error, which lives as long as it is dealt with.
            traceback.clear_frames(error.__traceback__)
            raise OutOfDeviceMemory(reason) from error
        if meaning == "lost":
            raise DeviceLost(reason) from error
        raise


def meaning_of(error: RuntimeError) -> Meaning:
    """Returns whether memory is short, the device is lost, or the call itself is to blame."""
    if isinstance(error, torch.OutOfMemoryError):
        return "no memory"
    if isinstance(error, torch.AcceleratorError):
        return _of_code(getattr(error, "error_code", None))
    message = str(error)
    if CPU_ALLOCATOR.search(message):
        return "no memory"
    if found := LIBRARY.match(message):
        return _of_status(found[1])
    if found := DRIVER.match(message):
        return "no memory" if NO_DRIVER_MEMORY in found[1] else "lost"
    return "ours"


def _of_code(code: int | None) -> Meaning:
    if code == MEMORY_ALLOCATION:
        return "no memory"
    return "ours" if code in HARMLESS else "lost"


def _of_status(status: str) -> Meaning:
    if NO_MEMORY_STATUS.search(status):
        return "no memory"
    return "ours" if HARMLESS_STATUS.search(status) else "lost"
