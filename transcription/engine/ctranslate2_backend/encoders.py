"""The two encoders: CTranslate2's, and torch's on CPUs with bfloat16 instructions."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from transcription.engine import machine
from transcription.engine.ctranslate2_backend.errors import translated
from transcription.engine.ctranslate2_backend.replica import stand_back

if TYPE_CHECKING:
    from transcription.engine.torch_backend.bfloat16_encoder import Bfloat16Encoder

log = logging.getLogger(__name__)

Features = NDArray[np.float32]

NATIVE_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""As Linux names them, the last one on Arm. Without them bfloat16 is only emulated."""

CLEARLY = 1.15
"""How many times faster torch must be."""


class Encoder(Protocol):
    """Called from several threads at once."""

    def __call__(self, mels: Features) -> Features:
        """mels: (windows, n_mels, 3000); returns (windows, 1500, state)."""


class OwnEncoder:
    """CTranslate2's."""

    def __init__(self, whisper: Any) -> None:
        self._whisper = whisper

    def __call__(self, mels: Features) -> Features:
        """On a CPU one window at a time: the attention of several doesn't fit its caches, which costs a sixth."""
        step = 1 if self._whisper.device == "cpu" else len(mels)
        with translated():
            parts = [self._encoded(mels[at : at + step]) for at in range(0, len(mels), step)]
        return np.concatenate(parts)

    def _encoded(self, mels: Features) -> Features:
        output: Features = np.array(self._whisper.encode(ctranslate2.StorageView.from_array(mels), to_cpu=True))
        return output


class TorchEncoder:
    """Ours in bfloat16, in a thread of its own: windows one after another, each on all of `threads`.

    niceness: how far it stands back behind the process's other threads.
    """

    def __init__(self, encode: Bfloat16Encoder, threads: int, niceness: int) -> None:
        self._encode = encode
        self._thread = ThreadPoolExecutor(1, "encoder", partial(_begin, threads, niceness))

    def __call__(self, mels: Features) -> Features:
        with translated():
            # One by one, so that windows of several callers take turns.
            return np.stack([self._thread.submit(self._one, mel).result() for mel in mels])

    def _one(self, mel: Features) -> Features:
        import torch

        encoding: Features = self._encode(torch.from_numpy(mel)).numpy()
        return encoding


def _begin(threads: int, niceness: int) -> None:
    import torch

    # Before the first parallel work, whose threads inherit it.
    stand_back(niceness)
    torch.set_num_threads(threads)


def may_use_torch() -> bool:
    """Returns whether the CPU has bfloat16 instructions and torch is installed. Importing torch takes a second."""
    found = machine.cpu_features() & NATIVE_BFLOAT16
    return bool(found) and importlib.util.find_spec("whisper") is not None


def read_for_torch(folder: Path) -> Bfloat16Encoder:
    """A model's encoder. Raises EngineError for a damaged file."""
    import torch

    from transcription.engine.torch_backend.bfloat16_encoder import Bfloat16Encoder
    from transcription.engine.torch_backend.loading import load_encoder

    return Bfloat16Encoder(load_encoder(folder, torch.float32))


def faster(rival: Encoder, own: Encoder, n_mels: int) -> bool:
    """Returns whether a rival encodes a window of noise clearly faster, after one to warm up."""
    mel = np.random.default_rng(0).normal(0.0, 0.3, (1, n_mels, 3000)).astype(np.float32)
    rival(mel)
    theirs, ours = _seconds(rival, mel), _seconds(own, mel)
    log.info("encodes a window in %.0f ms with torch in bfloat16, %.0f ms with CTranslate2", theirs * 1e3, ours * 1e3)
    return theirs * CLEARLY < ours


def _seconds(encode: Callable[[Features], Features], mel: Features) -> float:
    began = time.perf_counter()
    encode(mel)
    return time.perf_counter() - began
