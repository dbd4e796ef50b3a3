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

from transcription.engine.backend import DeviceBusy, DeviceLost, OutOfDeviceMemory
from transcription.engine.library_errors import BUSY

Meaning = Literal["no memory", "busy", "lost", "ours"]

MEMORY_ALLOCATION = 2
"""cudaErrorMemoryAllocation."""

UNAVAILABLE = {46, 802, *range(805, 810)}
"""Codes of the CUDA runtime while another process has the device alone, while NVIDIA's Fabric Manager is not ready, and
of MPS (cudaErrorDevicesUnavailable, SystemNotReady, MpsConnectionFailed to MpsMaxConnectionsReached)."""

HARMLESS = {1, 9, 98, 209, 600, 701, 801, *range(900, 909)}
"""Codes of the CUDA runtime after which the device still works: what was asked for was wrong.

Invalid value, configuration and function, no kernel for this card, not ready, too many resources asked for, not
supported, and everything about captures (cudaErrorInvalidValue to cudaErrorStreamCaptureWrongThread in
driver_types.h). All others, such as an illegal address, stay until the process ends.
"""

LIBRARY = re.compile(r"^(?:CUDA|cuDNN|cuFFT|cusolver) error: ((?:CUBLAS|CUDNN|CUFFT|CUSOLVER)_\w+)")
"""An error of one of CUDA's libraries begins so, with its status."""

NO_MEMORY_STATUS = re.compile(r"_ALLOC(?:ATION)?_FAILED|_NOT_INITIALIZED|CUFFT_INTERNAL_ERROR|CUFFT_SETUP_FAILED")
"""A library that finds no memory for its handle is not initialised; cuFFT has no status for it (pytorch #119420)."""

HARMLESS_STATUS = re.compile(r"_NOT_SUPPORTED|_INVALID_VALUE|_BAD_PARAM|_ARCH_MISMATCH")

DRIVER = re.compile(r"^CUDA driver error: (.+)")
NO_DRIVER_MEMORY = "out of memory"

NO_PROCESSES = re.compile(r"NVML_SUCCESS.*INTERNAL ASSERT FAILED.*CUDACachingAllocator")
"""Where memory is short, torch before 2.14 asks NVML who has it, which may not tell in a slice of a GPU (MIG)."""

CPU_ALLOCATOR = re.compile(
    rf"DefaultCPUAllocator: (?:not enough memory|can't allocate memory.*Error code {errno.ENOMEM}\b)"
)
"""torch's CPU allocator has no class of its own for it."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raises OutOfDeviceMemory, DeviceBusy, DeviceLost after which no call succeeds, or the error as it is."""
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
        if meaning == "busy":
            raise DeviceBusy(reason) from error
        if meaning == "lost":
            raise DeviceLost(reason) from error
        raise


def meaning_of(error: RuntimeError) -> Meaning:
    """Returns whether memory is short, the device is busy or lost, or the call itself is to blame."""
    if isinstance(error, torch.OutOfMemoryError):
        return "no memory"
    if isinstance(error, torch.AcceleratorError):
        return _of_code(getattr(error, "error_code", None))
    message = str(error)
    if CPU_ALLOCATOR.search(message) or NO_PROCESSES.search(message):
        return "no memory"
    if found := LIBRARY.match(message):
        return _of_status(found[1])
    if found := DRIVER.match(message):
        if NO_DRIVER_MEMORY in found[1]:
            return "no memory"
        return "busy" if any(sign in found[1] for sign in BUSY) else "lost"
    return "ours"


def _of_code(code: int | None) -> Meaning:
    if code == MEMORY_ALLOCATION:
        return "no memory"
    if code in UNAVAILABLE:
        return "busy"
    return "ours" if code in HARMLESS else "lost"


def _of_status(status: str) -> Meaning:
    if NO_MEMORY_STATUS.search(status):
        return "no memory"
    return "ours" if HARMLESS_STATUS.search(status) else "lost"
