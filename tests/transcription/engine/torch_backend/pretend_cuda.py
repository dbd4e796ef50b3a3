"""A GPU that is none: tensors on the CPU that claim to be on `cuda:0`, and a record of streams, events and graphs.

What is computed is right, so that texts can be compared. Each kernel belongs to the stream that was current when it
was launched, and each stream has a vector clock, which events and waits of the host pass on. So it is known whether a
kernel that reads or writes memory is ordered after the one that wrote or read it before on another stream, whatever
the CPU's order was. `faults` has what is not.

It models of torch.cuda what the engine uses: streams don't wait for one another by themselves; memory returns to the
stream on which it was allocated; a capture synchronises the device first, executes nothing, and freezes the arguments
of its kernels; matrix products have a workspace for each thread and stream, whose address a graph keeps; memory of a
graph's pool is overwritten by each of its graphs.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

CUDA = torch.device("cuda", 0)
Clock = dict[int, int]
Moment = tuple[int, int]
"""A stream's number, and how many kernels were launched on it."""

IS_CUDA, SHAPE = (getattr(Tensor, name).__get__ for name in ("is_cuda", "shape"))
TO_HOST = {getattr(Tensor, name) for name in ["cpu", "tolist", "item", "__bool__", "__int__", "__float__", "__index__"]}
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "linear", "matmul")


@dataclass
class Memory:
    """A storage, or something else that a kernel may use. made_on: the stream that memory goes back to."""

    name: str
    made_on: Stream | None = None
    key: int = 0
    is_pinned: bool = False
    written: Moment | None = None
    read: Clock = field(default_factory=dict)
    lent_to: set[int] = field(default_factory=set)

    @property
    def uses(self) -> list[Moment]:
        return [*self.read.items(), *([self.written] if self.written else [])]


class Stream:
    """A stream, with what is ordered before its next kernel."""

    def __init__(self, cuda: PretendCuda, priority: int = 0) -> None:
        self._cuda = cuda
        self.priority = priority
        self.number = len(cuda.streams)
        self.clock: Clock = {}
        cuda.streams.append(self)

    def wait_stream(self, other: Stream) -> None:
        _merge(self.clock, other.clock)

    def wait_event(self, event: Event) -> None:
        _merge(self.clock, event.clock)

    def synchronize(self) -> None:
        self._cuda.host_waits(self)

    def query(self) -> bool:
        return True

    def record_event(self, event: Event | None = None) -> Event:
        found = event or Event(self._cuda)
        found.record(self)
        return found


class Event:
    """What was launched on a stream before it was recorded."""

    def __init__(self, cuda: PretendCuda) -> None:
        self._cuda = cuda
        self.clock: Clock = {}

    def record(self, stream: Stream | None = None) -> None:
        self.clock = dict((stream or self._cuda.current).clock)

    def wait(self, stream: Stream | None = None) -> None:
        (stream or self._cuda.current).wait_event(self)

    def query(self) -> bool:
        _merge(self._cuda.host, self.clock)
        return True

    def synchronize(self) -> None:
        self._cuda.not_captured("the host waits for an event")
        _merge(self._cuda.host, self.clock)


@dataclass
class Kernel:
    """An operation that was captured, with the memory it uses."""

    func: OpOverload
    args: Any
    kwargs: Any
    result: Any
    reads: list[Memory]
    writes: list[Memory]

    def run(self) -> None:
        """Does it again, into the memory that its result had."""
        again = self.func(*self.args, **self.kwargs)
        for old, new in zip(tree_iter(self.result), tree_iter(again), strict=True):
            if isinstance(old, Tensor) and old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                old.copy_(new)


class Graph:
    """A captured graph."""

    def __init__(self, cuda: PretendCuda) -> None:
        self._cuda = cuda
        self.kernels: list[Kernel] = []
        self.before: dict[int, torch.UntypedStorage] = {}
        self.pool: Memory | None = None
        self.workspaces: list[Memory] = []

    def replay(self) -> None:
        cuda, shared = self._cuda, [*self.workspaces, *([self.pool] if self.pool else [])]
        cuda.collect()
        cuda.kernel("the replay of a graph", [], shared)
        with cuda.silence(), torch._C.DisableTorchFunction():
            for kernel in self.kernels:
                cuda.kernel(f"{kernel.func} of a graph", kernel.reads, kernel.writes)
                kernel.run()


class OnDevice(Tensor):
    """A tensor on the CPU that says that it is on the GPU."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        assert PretendCuda.active is not None
        return PretendCuda.active.call(func, args, kwargs or {})

    def record_stream(self, stream: Any) -> None:
        assert PretendCuda.active is not None
        PretendCuda.active.lend(self, stream)


class _Functions(TorchFunctionMode):
    def __init__(self, cuda: PretendCuda) -> None:
        super().__init__()
        self._cuda = cuda

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._cuda.call(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    def __init__(self, cuda: PretendCuda) -> None:
        super().__init__()
        self._cuda = cuda

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._cuda.operation(func, args, kwargs or {})


class PretendCuda:
    """The GPU. faults: what could go wrong on a real one. waits: for what the host waited for the device, in order.

    on_capture: called when a capture begins, by the thread that captures.
    """

    active: PretendCuda | None = None

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.waits: list[str] = []
        self.host: Clock = {}
        self.streams: list[Stream] = []
        self.workspaces: dict[tuple[int, int], Memory] = {}
        self.on_capture: Callable[[], None] = lambda: None
        self.graphs = 0
        self.fraction = 1.0
        self._memory: dict[int, tuple[StorageWeakRef, Memory]] = {}
        self._abroad: set[int] = set()
        """Keys of the memory that was used on another stream than it goes back to."""
        self._default = Stream(self)
        self._capture_stream = Stream(self)
        self._capturing: tuple[int, Graph] | None = None
        self._lock = threading.RLock()
        self._local = threading.local()

    @contextmanager
    def thread(self) -> Iterator[None]:
        """Makes this thread's tensors pretend; every thread that uses the device needs it."""
        with _Functions(self), _Operations(self):
            yield

    @property
    def current(self) -> Stream:
        return getattr(self._local, "stream", self._default)

    @contextmanager
    def stream(self, stream: Stream | None) -> Iterator[None]:
        before = self.current
        self._local.stream = stream or before
        try:
            yield
        finally:
            self._local.stream = before

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Records no operations."""
        before, self._local.silent = getattr(self._local, "silent", False), True
        try:
            yield
        finally:
            self._local.silent = before

    def synchronize(self, device: object = None) -> None:
        self.not_captured("the host waits for the device")
        for stream in self.streams:
            _merge(self.host, stream.clock)

    def empty_cache(self) -> None:
        if self._capturing:
            self.fault("memory is given back while a graph is captured")

    def host_waits(self, stream: Stream, reason: str = "for a stream") -> None:
        self.not_captured(f"the host waits {reason}")
        self.waits.append(reason)
        _merge(self.host, stream.clock)

    def not_captured(self, what: str) -> None:
        if self._capturing and self._capturing[0] == threading.get_ident():
            self.fault(f"{what} while a graph is captured")

    def fault(self, what: str) -> None:
        ours = [frame for frame in traceback.extract_stack() if "/transcription/engine/" in frame.filename]
        places = [
            f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in ours if "tests" not in frame.filename
        ]
        self.faults.append(f"{what} ({' < '.join(places[:-4:-1])})")

    @contextmanager
    def graph(
        self, graph: Graph, pool: Memory | None = None, stream: Stream | None = None, **_: object
    ) -> Iterator[None]:
        """Captures what the block launches."""
        self.synchronize()
        if self._capturing:
            self.fault("two captures at once")
        self.graphs += 1
        graph.pool = pool
        with self.stream(stream or self._capture_stream):
            self._capturing = (threading.get_ident(), graph)
            try:
                self.on_capture()
                yield
            finally:
                self._capturing = None
                with self.silence(), torch._C.DisableTorchFunction():
                    for kernel in graph.kernels:
                        for tensor in (t for t in tree_iter((kernel.args, kernel.kwargs)) if isinstance(t, Tensor)):
                            saved = graph.before.pop(tensor.untyped_storage()._cdata, None)
                            if saved is not None:
                                tensor.untyped_storage().copy_(saved)

    def lend(self, tensor: Tensor, stream: Stream) -> None:
        self._of(tensor).lent_to.add(stream.number)

    # Calls of torch

    def call(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Runs a function of torch, on the CPU, and marks what is on the device."""
        tensors = [value for value in tree_iter((args, kwargs)) if isinstance(value, Tensor)]
        on_device = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
        if func == Tensor.device.__get__ and on_device:
            return CUDA
        if func == IS_CUDA:
            return bool(on_device)
        if func == Tensor.pin_memory:
            return self._pinned(self._run(torch.clone, (args[0],), {}, device=False))
        if func in TO_HOST and on_device:
            self.host_waits(self.current, f"for {func.__name__}")
            plain, named = tree_map_only(OnDevice, _plain, (tuple(args), kwargs))
            return self._run(func, plain, named, device=True, wrap=False)
        if func == Tensor.numpy and not on_device:
            self._host_uses(self._of(args[0]), "numpy", writes=True)
        if func == Tensor.to:
            return self._to(args, kwargs)
        if func == Tensor.copy_ and len(on_device) == 1:
            return self._copied(args, kwargs)
        pinned, is_device = kwargs.pop("pin_memory", False), bool(on_device)
        wanted = kwargs.get("device")
        if wanted is not None and torch.device(wanted).type == "cuda":
            kwargs = {**kwargs, "device": "cpu"}
            if func is torch.tensor:
                self.host_waits(self.current, "for numbers that are copied to the device")
            is_device = True
        strangers = [tensor for tensor in tensors if not isinstance(tensor, OnDevice) and tensor.dim()]
        if is_device and strangers and not isinstance(func, type(SHAPE)):
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, cuda:0 and cpu")
        if on_device and func in (Tensor.__getitem__, Tensor.__setitem__):
            indices = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(index, list) for index in indices):
                self.host_waits(self.current, "for a list as an index")
        result = self._run(func, args, kwargs, device=is_device)
        return self._pinned(result) if pinned else result

    def _to(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
        tensor, *rest = args
        where = [value for value in (*rest, kwargs.get("device")) if isinstance(value, (str, torch.device))]
        rest = [value for value in rest if not isinstance(value, (str, torch.device))]
        others = {name: value for name, value in kwargs.items() if name not in ("device", "non_blocking")}
        is_there = isinstance(tensor, OnDevice)
        target = torch.device(where[0]).type == "cuda" if where else is_there
        if target == is_there:
            return cast("Tensor", self._run(Tensor.to, (tensor, *rest), others, device=is_there))
        if is_there or not (kwargs.get("non_blocking") and self._is_pinned(tensor)):
            self.host_waits(self.current, "for a copy between host and device")
        result: Tensor = self._run(
            Tensor.to, (_plain(tensor), *rest), {**others, "copy": True}, device=True, wrap=target
        )
        return result

    def _copied(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
        host = next(tensor for tensor in args[:2] if not isinstance(tensor, OnDevice))
        result: Tensor = self._run(Tensor.copy_, args, kwargs, device=True)
        is_queued = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
        if not (is_queued and self._is_pinned(host)) and host.dim():
            self.host_waits(self.current, "for a copy between host and device")
        return result

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any], device: bool, wrap: bool = True) -> Any:
        before = getattr(self._local, "device", False)
        self._local.device = device or before
        try:
            with torch._C.DisableTorchFunctionSubclass():
                result = func(*args, **kwargs)
        finally:
            self._local.device = before
        if not (device and wrap):
            return result
        same = [value for value in tree_iter((args, kwargs)) if isinstance(value, Tensor)]

        def marked(tensor: Tensor) -> Tensor:
            return tensor if any(tensor is one for one in same) else tensor.as_subclass(OnDevice)

        with torch._C.DisableTorchFunctionSubclass(), self.silence():
            return tree_map_only(Tensor, marked, result)

    # Kernels

    def operation(self, func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if getattr(self._local, "silent", False):
            return func(*args, **kwargs)
        given = [value for value in tree_iter((args, kwargs)) if isinstance(value, Tensor)]
        if any(tensor.is_sparse for tensor in given):
            return func(*args, **kwargs)
        known = {tensor.untyped_storage()._cdata for tensor in given}
        changed = [
            tensor
            for argument, value in [*zip(func._schema.arguments, args, strict=False), *_named(func, kwargs)]
            if argument.alias_info is not None and argument.alias_info.is_write
            for tensor in tree_iter(value)
            if isinstance(tensor, Tensor)
        ]
        own = self._capturing if self._capturing and self._capturing[0] == threading.get_ident() else None
        if own:
            for tensor in changed:
                storage = tensor.untyped_storage()
                if storage._cdata in self._memory and self._of(tensor).name != "captured":
                    own[1].before.setdefault(storage._cdata, storage.clone())
        result = func(*args, **kwargs)
        made = [
            tensor
            for tensor in tree_iter(result)
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in known
        ]
        device = getattr(self._local, "device", False)
        with self._lock:
            for tensor in made:
                self._of(tensor, "captured" if own else "", device)
            if not made and not changed:
                return result  # a view
            reads = [self._of(tensor) for tensor in given]
            writes = [self._of(tensor) for tensor in (*changed, *([] if "empty" in func.__name__ else made))]
            if not device:
                for memory in reads:
                    self._host_uses(memory, str(func), writes=memory in writes)
                return result
            workspace = [self._workspace(own)] if func._schema.name.split("::")[1] in PRODUCTS else []
            if not own:
                self.collect()
                self.kernel(str(func), reads, [*writes, *workspace])
            else:
                own[1].kernels.append(Kernel(func, args, kwargs, result, reads, writes))
                own[1].workspaces += [memory for memory in workspace if memory not in own[1].workspaces]
        return result

    def kernel(self, name: str, reads: Sequence[Memory], writes: Sequence[Memory]) -> None:
        """Launches something on the current stream."""
        with self._lock:
            if self._capturing and self._capturing[0] != threading.get_ident():
                self.fault(f"{name} beside a capture")
            stream = self.current
            _merge(stream.clock, self.host)
            for memory in reads:
                self._ordered(name, stream, memory, [memory.written] if memory.written else [])
            for memory in writes:
                self._ordered(name, stream, memory, memory.uses)
            now = stream.clock[stream.number] = stream.clock.get(stream.number, 0) + 1
            for memory in reads:
                memory.read[stream.number] = now
            for memory in writes:
                memory.written = (stream.number, now)
                memory.read = {}
            for memory in (*reads, *writes):
                if memory.made_on not in (None, stream):
                    self._abroad.add(memory.key)

    def _ordered(self, name: str, stream: Stream, memory: Memory, uses: Sequence[Moment]) -> None:
        for number, moment in uses:
            if stream.clock.get(number, 0) < moment:
                what = memory.name if memory.name else "memory"
                self.fault(f"{name} on stream {stream.number} uses {what} that stream {number} may still use")

    def _host_uses(self, memory: Memory, name: str, writes: bool) -> None:
        uses = memory.uses if writes else ([memory.written] if memory.written else [])
        for number, moment in uses:
            if self.host.get(number, 0) < moment:
                self.fault(f"{name} on the host uses memory that stream {number} may still use")

    def _workspace(self, own: tuple[int, Graph] | None) -> Memory:
        key = (threading.get_ident(), self.current.number)
        if key not in self.workspaces:
            self.workspaces[key] = Memory("a workspace")
            if own:
                self.fault("a workspace is allocated while a graph is captured")
        return self.workspaces[key]

    # Memory

    def _of(self, tensor: Tensor, name: str = "", device: bool = False) -> Memory:
        storage = tensor.untyped_storage()
        found = self._memory.get(storage._cdata)
        if found is None or found[0].expired():
            made_on = self.current if device or isinstance(tensor, OnDevice) else None
            found = self._memory[storage._cdata] = (StorageWeakRef(storage), Memory(name, made_on, storage._cdata))
        return found[1]

    def _pinned(self, tensor: Tensor) -> Tensor:
        self._of(tensor).is_pinned = True
        return tensor

    def _is_pinned(self, tensor: Tensor) -> bool:
        return self._of(tensor).is_pinned

    def collect(self) -> None:
        """Forgets memory that was given back, which kernels on other streams must have left by then."""
        for key in [key for key in self._abroad if self._memory[key][0].expired()]:
            self._abroad.discard(key)
            _, memory = self._memory.pop(key)
            home = memory.made_on
            for number, moment in memory.uses if home else []:
                known = max(self.host.get(number, 0), home.clock.get(number, 0)) if home else 0
                if home and number != home.number and number not in memory.lent_to and known < moment:
                    self.fault(f"memory of stream {home.number} is given back while stream {number} may use it")


@contextmanager
def pretended(patch: pytest.MonkeyPatch) -> Iterator[PretendCuda]:
    """Puts a PretendCuda in the place of torch.cuda, in this thread."""
    cuda = PretendCuda()
    replaced: dict[str, Any] = {
        "Stream": lambda device=None, priority=0: Stream(cuda, priority),
        "Event": lambda *_, **__: Event(cuda),
        "CUDAGraph": lambda *_, **__: Graph(cuda),
        "graph": cuda.graph,
        "graph_pool_handle": lambda: Memory("a pool of graphs"),
        "stream": cuda.stream,
        "current_stream": lambda device=None: cuda.current,
        "synchronize": cuda.synchronize,
        "empty_cache": cuda.empty_cache,
        "memory_allocated": lambda device=None: 0,
        "memory_reserved": lambda device=None: 0,
        "mem_get_info": lambda device=None: (80 << 30, 80 << 30),
        "get_device_properties": lambda device=None: SimpleNamespace(total_memory=80 << 30),
        "set_per_process_memory_fraction": lambda fraction, device=None: setattr(cuda, "fraction", fraction),
    }
    with patch.context() as patched:
        for name, value in replaced.items():
            patched.setattr(torch.cuda, name, value)
        patched.setattr(PretendCuda, "active", cuda)
        with cuda.thread():
            yield cuda


def _named(func: OpOverload, kwargs: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [(argument, kwargs[argument.name]) for argument in func._schema.arguments if argument.name in kwargs]


def _plain(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(Tensor)


def _merge(clock: Clock, other: Clock) -> None:
    for number, moment in list(other.items()):
        clock[number] = max(clock.get(number, 0), moment)
