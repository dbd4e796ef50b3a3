"""Prints how much memory of the host a model takes while it goes to a GPU, over its file: `python -m … FILE.pt`.

Each weight is read and dropped where it would be copied to the GPU, on which nothing is left to the host.
"""

from __future__ import annotations

import base64
import gzip
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import whisper
from torch import Tensor
from torch.overrides import TorchFunctionMode

from benchmarks.untrained import DIMENSIONS
from tests.transcription.engine.torch_backend.large_v3 import state_dict_of
from transcription.engine.torch_backend.loading import StoredWhisper, stored_whisper


class _Gone(TorchFunctionMode):
    """Reads what is copied to a GPU, and leaves a tensor without values in its place."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func == Tensor.to and torch.device("cuda") in args:
            dtype = next(value for value in args if isinstance(value, torch.dtype))
            copied = args[0].to(dtype)
            assert float(copied.flatten()[::1024].sum()) is not None  # a page of memory has 2,048
            return torch.empty(copied.shape, dtype=dtype, device="meta")
        return func(*args, **(kwargs or {}))


def main(path: Path) -> float:
    """Returns the memory that a `.pt` with any dimensions takes, over the file's size."""
    with _Gone():  # imports what torch needs for it
        StoredWhisper(DIMENSIONS, state_dict_of(DIMENSIONS, torch.device("cpu")), []).parameters("cuda")
    dims = torch.load(path, mmap=True, weights_only=True)["dims"]
    none = bytes(dims["n_text_layer"] * dims["n_text_head"])
    whisper._ALIGNMENT_HEADS["any"] = base64.b85encode(gzip.compress(none))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with _Gone():
        parameters = stored_whisper("any", path).parameters("cuda")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert parameters.dtype == torch.float16
    return peak * 1024 / path.stat().st_size


if __name__ == "__main__":
    print(f"{main(Path(sys.argv[1])):.2f}")
