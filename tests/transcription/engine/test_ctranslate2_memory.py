"""Encodings stay on the GPU between CTranslate2's calls; here its memory is the host's."""

from __future__ import annotations

import ctypes
import threading
from types import SimpleNamespace
from typing import Any

import ctranslate2
import numpy as np
import pytest
from numpy.typing import NDArray

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory
from transcription.engine.ctranslate2_backend.memory import DeviceMemory, Driver, HostMemory


class Cuda:
    """The driver's library. `left`: bytes that may still be allocated; `broken`: the code of a failing copy."""

    def __init__(self, left: int = 1 << 20) -> None:
        self.left, self.broken = left, 0
        self.memory: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.current = threading.local()
        self.copies = 0

    def cuInit(self, flags: int) -> int:
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:
        context._obj.value = 77
        return 0

    def cuCtxSetCurrent(self, context: ctypes.c_void_p) -> int:
        self.current.context = context.value
        return 0

    def cuMemAlloc_v2(self, address: Any, size: ctypes.c_size_t) -> int:
        assert self.current.context == 77
        if size.value > self.left:
            return 2
        self.left -= size.value
        block = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(block)
        self.memory[ctypes.addressof(block)] = block
        return 0

    def cuMemFree_v2(self, address: ctypes.c_uint64) -> int:
        self.left += len(self.memory.pop(address.value))
        return 0

    def cuMemcpyDtoD_v2(self, target: ctypes.c_uint64, source: ctypes.c_uint64, size: ctypes.c_size_t) -> int:
        assert self.current.context == 77
        self.copies += 1
        if not self.broken:
            ctypes.memmove(target.value, source.value, size.value)
        return self.broken

    def cuStreamSynchronize(self, stream: ctypes.c_void_p) -> int:
        return 0


def on_device(array: NDArray[Any]) -> Any:
    """Returns what an encoder's output is on a GPU."""
    facts = {"shape": array.shape, "typestr": array.dtype.str, "data": (array.ctypes.data, False), "version": 2}
    return SimpleNamespace(__cuda_array_interface__=facts, array=array)


def read(view: Any) -> NDArray[Any]:
    facts = view.__cuda_array_interface__
    count = int(np.prod(facts["shape"]))
    raw = ctypes.string_at(facts["data"][0], count * np.dtype(facts["typestr"]).itemsize)
    found: NDArray[Any] = np.frombuffer(raw, dtype=facts["typestr"]).reshape(facts["shape"])
    return found


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    monkeypatch.setattr(ctranslate2, "StorageView", SimpleNamespace(from_array=lambda array: array))
    return Cuda()


def outputs() -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """The encoder's for three windows and for one, (windows, positions, state)."""
    random = np.random.default_rng(0)
    return tuple(random.normal(size=(windows, 5, 4)).astype(np.float16) for windows in (3, 1))  # type: ignore[return-value]


def test_windows_of_several_calls_are_brought_together_in_any_order(cuda: Cuda) -> None:
    three, one = outputs()
    own = DeviceMemory(Driver(cuda))
    encodings = [*own.taken_apart(on_device(three)), *own.taken_apart(on_device(one))]
    found = read(own.gathered([encodings[3], encodings[1], encodings[1].copy()]))
    assert np.array_equal(found, np.stack([one[0], three[1], three[1]]))


def test_a_thread_uses_its_buffer_again_and_another_has_its_own(cuda: Cuda) -> None:
    own = DeviceMemory(Driver(cuda))
    encodings = own.taken_apart(on_device(outputs()[0]))
    first = own.gathered(encodings)
    assert own.gathered(encodings[:1]).__cuda_array_interface__["data"] == first.__cuda_array_interface__["data"]
    others: list[Any] = []
    thread = threading.Thread(target=lambda: others.append(own.gathered(encodings)))
    thread.start()
    thread.join()
    assert others[0].__cuda_array_interface__["data"] != first.__cuda_array_interface__["data"]
    assert len(cuda.memory) == 1  # the thread's own went with it


def test_errors_of_the_driver_are_the_engines(cuda: Cuda) -> None:
    own = DeviceMemory(Driver(cuda))
    encodings = own.taken_apart(on_device(outputs()[0]))
    cuda.left = 10
    with pytest.raises(OutOfDeviceMemory, match="cuMemAlloc_v2"):
        own.gathered(encodings)
    cuda.left, cuda.broken = 1 << 20, 700
    with pytest.raises(DeviceLost, match="cuMemcpyDtoD_v2 failed with CUDA's error 700"):
        own.gathered(encodings)


def test_on_a_cpu_they_are_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    three, _ = outputs()
    own = HostMemory()
    view = ctranslate2.StorageView.from_array(three.astype(np.float32))
    kept = own.taken_apart(view)
    assert np.array_equal(np.array(own.gathered([kept[2], kept[0]])), three[[2, 0]].astype(np.float32))
