"""What torch's failures mean for whoever called a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory

DEVICE_WORDS = ("CUDA", "cuBLAS", "CUBLAS", "cuDNN", "CUDNN")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raises OutOfDeviceMemory, DeviceLost after which no call succeeds, or the error as it is."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise OutOfDeviceMemory(str(error).splitlines()[0]) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if any(word in reason for word in DEVICE_WORDS):
            raise DeviceLost(reason) from error
        if "not enough memory" in reason:  # torch's CPU allocator has no class of its own for it
            raise OutOfDeviceMemory(reason) from error
        raise
