"""Finds the cuBLAS of CUDA 12, which CTranslate2 loads by its name; torch's own, of CUDA 13, may be beside it."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

from transcription.engine.types import EngineError

LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")
"""In the order in which the second needs the first."""

COMPILER = "libnvrtc.so.12"
"""What newer ones compile kernels with, for cards that they don't know."""


def load_cublas() -> None:
    """Loads the libraries of the package nvidia-cublas-cu12, or the system's, so that CTranslate2 finds them.

    Raises EngineError where there are none.
    """
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    installed = {file.name: str(file) for folder in folders for file in folder.glob("*/lib/lib*.so.12")}
    for name in (COMPILER, *LIBRARIES) if COMPILER in installed else LIBRARIES:
        try:
            ctypes.CDLL(installed.get(name, name), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise EngineError(
                f"CTranslate2 needs {name} on a GPU ({error}): install requirements/ctranslate2-cuda.txt"
            ) from error
