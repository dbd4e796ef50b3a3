"""Where the encodings of windows stay between the calls of a model, and how those of several are brought together.

The half for GPUs follows CUDA's driver API and HAS NOT RUN on a GPU yet.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from transcription.engine.backend import DeviceLost, OutOfDeviceMemory


@dataclass(frozen=True, slots=True, eq=False)
class DeviceEncoding:
    """A window's part of an encoder's output on the GPU, whose memory it keeps.

    address: of its first byte. typestr: of numpy's array interface.
    """

    view: Any
    address: int
    shape: tuple[int, ...]
    typestr: str

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * int(self.typestr[2:])

    def copy(self) -> DeviceEncoding:
        """Returns itself: nobody writes to it."""
        return self


Encoding = NDArray[Any] | DeviceEncoding


class Memory(Protocol):
    """is_host: whether encodings come back from a GPU."""

    is_host: bool

    def taken_apart(self, view: Any) -> Sequence[Encoding]:
        """Returns the windows of an encoder's output, a StorageView (windows, positions, state)."""

    def gathered(self, encodings: Sequence[Any]) -> Any:
        """Returns encodings of one shape as a StorageView, (windows, positions, state).

        It is valid until the same thread asks for the next one.
        """


class HostMemory:
    is_host = True

    def taken_apart(self, view: Any) -> Sequence[Encoding]:
        return list(np.array(view))

    def gathered(self, encodings: Sequence[Any]) -> Any:
        return ctranslate2.StorageView.from_array(np.stack(encodings))


class DeviceMemory:
    """Encodings stay on the GPU; each thread has a buffer there into which they are copied."""

    is_host = False

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._own = threading.local()

    def taken_apart(self, view: Any) -> Sequence[Encoding]:
        facts = view.__cuda_array_interface__
        (windows, *shape), first = facts["shape"], facts["data"][0]
        one = DeviceEncoding(view, first, tuple(shape), facts["typestr"])
        return [DeviceEncoding(view, first + number * one.bytes, one.shape, one.typestr) for number in range(windows)]

    def gathered(self, encodings: Sequence[Any]) -> Any:
        buffer = self._buffer(sum(encoding.bytes for encoding in encodings))
        at = buffer.address
        for encoding in encodings:
            self._driver.copy(at, encoding.address, encoding.bytes)
            at += encoding.bytes
        self._driver.wait()
        facts = {
            "shape": (len(encodings), *encodings[0].shape),
            "typestr": encodings[0].typestr,
            "data": (buffer.address, False),
            "strides": None,
            "version": 2,
        }
        return ctranslate2.StorageView.from_array(SimpleNamespace(__cuda_array_interface__=facts))

    def _buffer(self, size: int) -> _Buffer:
        found: _Buffer | None = getattr(self._own, "buffer", None)
        if found is None or found.size < size:
            self._own.buffer = None  # before the larger one is allocated
            found = self._own.buffer = _Buffer(self._driver, size)
        return found


class _Buffer:
    """Memory of the GPU, which is freed with this object."""

    def __init__(self, driver: Driver, size: int) -> None:
        self._driver, self.size = driver, size
        self.address = driver.allocate(size)

    def __del__(self) -> None:
        if address := getattr(self, "address", 0):
            self._driver.free(address)


class Driver:
    """What is used of the first GPU's driver, in the context that CTranslate2 has, too. Raises as models do."""

    OUT_OF_MEMORY = 2

    def __init__(self, library: Any = None) -> None:
        """library: the driver's, with its functions; loaded if None."""
        self._cuda = library or ctypes.CDLL("libcuda.so.1")
        device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)

    def allocate(self, size: int) -> int:
        address = ctypes.c_uint64()
        self._here("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def free(self, address: int) -> None:
        self._here("cuMemFree_v2", ctypes.c_uint64(address))

    def copy(self, target: int, source: int, size: int) -> None:
        """Queues a copy within the GPU."""
        self._here("cuMemcpyDtoD_v2", ctypes.c_uint64(target), ctypes.c_uint64(source), ctypes.c_size_t(size))

    def wait(self) -> None:
        """Waits for what was queued."""
        self._here("cuStreamSynchronize", ctypes.c_void_p())

    def _here(self, name: str, *arguments: Any) -> None:
        """Calls a function in the context, which is each thread's own setting."""
        self._call("cuCtxSetCurrent", self._context)
        self._call(name, *arguments)

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._cuda, name)(*arguments)
        if code == self.OUT_OF_MEMORY:
            raise OutOfDeviceMemory(f"{name}: out of memory")
        if code:
            raise DeviceLost(f"{name} failed with CUDA's error {code}")
