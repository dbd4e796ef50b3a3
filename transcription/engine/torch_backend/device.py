"""What all models of the process share on a GPU: its settings, the lock around captures, and streams.

Without CUDA streams do nothing, and the lock is hardly ever contended. The CUDA half HAS NOT RUN on a GPU yet.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

URGENT, ORDINARY = -1, 0
"""Priorities of streams: work of an urgent one comes before what waits in an ordinary one."""


def configure(math_attention: bool = False) -> None:
    """Turns cuDNN's attention off, which torch prefers on Hopper and Blackwell from 2.11 on.

    It compiles a plan for each shape and thread, 0.4 s each. math_attention: whether to turn the other fused kernels
    off, too.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.backends.cuda.enable_flash_sdp(not math_attention)
    torch.backends.cuda.enable_mem_efficient_sdp(not math_attention)


class DeviceLock:
    """Lets one thread at a time have the device alone, or several share it, in the order in which they ask.

    Not reentrant. A capture has the device alone: a thread that runs out of memory beside it could not give cached
    memory back, and what it gives back may be the capture's. So does the closing of a model. Whatever allocates
    memory meanwhile shares the device; the replay of a graph needs no lock.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._is_taken = False
        self._next = self._admitted = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._wait(lambda: not self._is_taken)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._wait(lambda: not (self._is_taken or self._sharing))
            self._is_taken = True
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify_all()

    def _wait(self, may: Callable[[], bool]) -> None:
        number, self._next = self._next, self._next + 1
        self._changed.wait_for(lambda: self._admitted == number and may())
        self._admitted += 1
        self._changed.notify_all()


DEVICE = DeviceLock()
"""The lock of this process's GPU."""


class WorkStream:
    """A CUDA stream of one decoder, or of what is encoded beside it.

    cuBLAS allocates a workspace for each thread and stream, 32 MiB on Hopper, and keeps it: so a closed stream is
    used again, and is never made for a single capture.
    """

    _unused: defaultdict[int, list[torch.cuda.Stream]] = defaultdict(list)

    def __init__(self, device: torch.device, priority: int = ORDINARY) -> None:
        self._priority = priority
        self.stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            try:
                self.stream = self._unused[priority].pop()
            except IndexError:
                self.stream = torch.cuda.Stream(device, priority)  # type: ignore[no-untyped-call]

    @contextmanager
    def current(self) -> Iterator[None]:
        """Queues the block's work on this stream, after what the caller's stream has."""
        if self.stream is None:
            yield
            return
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            yield

    @contextmanager
    def before_the_rest(self) -> Iterator[None]:
        """Queues the block's work on this stream, before what the caller's stream gets next."""
        with self.current():
            yield
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)

    def borrow(self, tensor: Tensor) -> None:
        """Keeps the memory of a tensor, which was made on another stream, until what is queued here is done."""
        if self.stream is not None:
            tensor.record_stream(self.stream)

    def synchronize(self) -> None:
        """Waits for what is queued."""
        if self.stream is not None:
            self.stream.synchronize()

    def close(self) -> None:
        """Waits for what is queued and leaves the stream to the next one."""
        self.synchronize()
        self.__del__()

    def __del__(self) -> None:
        if self.stream is not None:
            self._unused[self._priority].append(self.stream)
            self.stream = None
