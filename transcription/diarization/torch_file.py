"""Reads the tensors of a file that torch.save wrote, without torch and without running anything that it names.

Such a file is a ZIP archive: `*/data.pkl`, a pickle in which tensors stand as references, and `*/data/KEY`, their
bytes. A pickle may name any function to be called; here only the four that rebuild tensors are known, and
everything else is refused.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.types import DiarizationError

Tensors = dict[str, NDArray[Any]]

DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_tensors(path: Path) -> Tensors:
    """Returns the state dict in the file, or the one under its key `state_dict`, as arrays.

    Raises DiarizationError for a file that is no such archive, or that names anything but tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found: Any = _Unpickler(archive).load()
    except (pickle.UnpicklingError, zipfile.BadZipFile, KeyError, ValueError, EOFError, TypeError, IndexError) as error:
        raise DiarizationError(f"{path.name} can't be read: {error}") from error
    if isinstance(found, dict):
        found = found.get("state_dict", found)
    if not isinstance(found, dict) or not all(isinstance(value, np.ndarray) for value in found.values()):
        raise DiarizationError(f"{path.name} holds no state dict")
    return dict(found)


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        name = next((name for name in archive.namelist() if name.endswith("/data.pkl")), "")
        if not name:
            raise pickle.UnpicklingError("it has no data.pkl")
        self._folder = name.removesuffix("data.pkl")
        super().__init__(io.BytesIO(archive.read(name)))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """Returns a storage. pid: ("storage", type, key, device, number of elements), as torch writes it."""
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"it refers to {kind}")
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), dtype, count)


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: object
) -> NDArray[Any]:
    """Returns the part of a storage that is a tensor. Raises ValueError where it reaches beyond the storage."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if offset < 0 or min(stride, default=0) < 0 or last >= len(storage):
        raise ValueError("a tensor reaches beyond its storage")
    bytes_of = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, bytes_of, writeable=False).copy()
