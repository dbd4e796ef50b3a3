"""What an error of torch means is told by its type, code and status, not by a word in it."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from transcription.engine.backend import DeviceBusy, DeviceLost, OutOfDeviceMemory
from transcription.engine.torch_backend.errors import translated_errors

pytestmark = pytest.mark.torch


def runtime_error(code: int, message: str) -> RuntimeError:
    """Returns an error of the CUDA runtime, as torch raises it."""
    error = torch.AcceleratorError(f"CUDA error: {message}\nCUDA kernel errors might be asynchronously reported")
    error.__dict__["error_code"] = code
    return error


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    runtime_error(2, "out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuFFT error: CUFFT_INTERNAL_ERROR"),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":1407'),
    MemoryError(),
]
BUSY = [
    runtime_error(46, "CUDA-capable device(s) is/are busy or unavailable"),
    runtime_error(802, "system not yet initialized"),
    runtime_error(805, "MPS client failed to connect to the MPS control daemon or the MPS server"),
    RuntimeError("CUDA driver error: CUDA-capable device(s) is/are busy or unavailable"),
]
LOST = [
    runtime_error(700, "an illegal memory access was encountered"),
    runtime_error(719, "unspecified launch failure"),
    runtime_error(214, "uncorrectable ECC error encountered"),
    runtime_error(999, "unknown error"),
    torch.AcceleratorError("CUDA error: of a version without codes"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA driver error: an illegal memory access was encountered"),
]
OURS = [
    runtime_error(1, "invalid argument"),
    runtime_error(209, "no kernel image is available for execution on the device"),
    runtime_error(900, "operation not permitted when stream is capturing"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx(...)`"),
    RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp"),
    RuntimeError("Expected a 'cuda' device type for generator: CUDA or cuBLAS, said a window's text"),
    ValueError("CUDA error: of somebody else"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=repr)
def test_memory_is_short(error: Exception) -> None:
    with pytest.raises(OutOfDeviceMemory), translated_errors():
        raise error


@pytest.mark.parametrize("error", BUSY, ids=repr)
def test_the_device_is_busy(error: Exception) -> None:
    with pytest.raises(DeviceBusy), translated_errors():
        raise error


@pytest.mark.parametrize("error", LOST, ids=repr)
def test_the_device_is_lost(error: Exception) -> None:
    with pytest.raises(DeviceLost) as raised, translated_errors():
        raise error
    assert type(raised.value) is DeviceLost


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_only_the_call_is_to_blame(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translated_errors():
        raise error
    assert raised.value is error


def test_a_cpu_without_memory_says_so() -> None:
    with pytest.raises(OutOfDeviceMemory), translated_errors():
        torch.empty(1 << 50)


def test_what_a_call_had_allocated_is_free_while_its_error_is_dealt_with() -> None:
    made: list[weakref.ref[torch.Tensor]] = []

    def call() -> None:
        tensor = torch.ones(3)
        made.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError

    with pytest.raises(OutOfDeviceMemory) as raised, translated_errors():
        call()
    gc.collect()
    assert raised.value.__cause__ is not None
    assert made[0]() is None
