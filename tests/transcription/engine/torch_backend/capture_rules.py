"""What a CUDA graph cannot hold, found where there is no CUDA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

VALUE_TAGS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
"""Tags of operations whose result the host must read, or whose shape depends on values: both wait for the device."""

INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
"""Operations that wait for the device where an index is a mask, whose positions are searched first."""


class NotCapturable(RuntimeError):
    """An operation that fails within a capture, or waits for the device."""


@contextmanager
def capture_rules(device: torch.device) -> Iterator[None]:
    """Raises NotCapturable for an operation that reads a value, depends on one in its shape, or crosses devices.

    Sizes, types and devices suffice, so that tensors may be on the meta device or fake.
    """
    with _Operations(device), _Calls(device):
        yield


class _Operations(TorchDispatchMode):
    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device.type

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func._schema.name
        if name in INDEXING:
            if any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]):
                raise NotCapturable(f"{name} with a mask waits for the device")
        elif any(tag in func.tags for tag in VALUE_TAGS):
            raise NotCapturable(f"{name} waits for the device")
        result = func(*args, **(kwargs or {}))
        # Numbers become tensors without dimensions on the host, and are arguments of a kernel.
        tensors = [value for value in tree_iter((args, kwargs, result)) if isinstance(value, Tensor)]
        strangers = [tensor for tensor in tensors if tensor.device.type != self._device and tensor.dim()]
        if strangers:
            raise NotCapturable(f"{name} has a tensor of {strangers[0].device}, and others of {self._device}")
        return result


class _Calls(TorchFunctionMode):
    """Finds lists of numbers that are copied to the device, which no operation shows."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device.type

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and torch.device(kwargs.get("device") or "cpu").type == self._device:
            raise NotCapturable("numbers of the host are copied to the device")
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            indices = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(index, list) for index in indices):
                raise NotCapturable("a list as an index is copied to the device")
        return func(*args, **kwargs)


@contextmanager
def accelerator() -> Iterator[torch.device]:
    """Yields a device whose tensors have no values: a fake GPU where torch is built with CUDA, else the meta device."""
    if not torch.backends.cuda.is_built():
        yield torch.device("meta")
        return
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        yield torch.device("cuda", 0)
