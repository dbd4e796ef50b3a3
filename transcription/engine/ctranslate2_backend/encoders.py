"""The two encoders of a model: CTranslate2's own, and OpenVINO's where it is installed and faster."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from transcription.engine.backend import OutOfDeviceMemory
from transcription.engine.ctranslate2_backend.errors import translated
from transcription.engine.ctranslate2_backend.replica import Plan
from transcription.engine.types import EngineError

if TYPE_CHECKING:
    from transcription.engine.ctranslate2_backend.openvino_encoder import OpenvinoEncoder

log = logging.getLogger(__name__)

Features = NDArray[np.float32]

CLEARLY = 1.15
"""How many times faster OpenVINO must be: less may be noise."""

TRIAL_FRAMES = 1000
TRIAL_ROUNDS = 3
TRIAL_SECONDS = 1.0
"""After so long no further round begins. The first warms up, which matters little where encoding takes long."""


class Encoder(Protocol):
    """Is called from several threads at once."""

    def __call__(self, mels: Features) -> Features:
        """mels: (windows, n_mels, frames), up to 3000 frames; returns (windows, (frames + 1) // 2, state)."""


class OwnEncoder:
    """CTranslate2's."""

    def __init__(self, whisper: Any) -> None:
        self._whisper = whisper

    def __call__(self, mels: Features) -> Features:
        """Encodes one window at a time on a CPU: several don't fit its caches, which costs a sixth."""
        step = 1 if self._whisper.device == "cpu" else len(mels)
        with translated():
            parts = [self._encoded(mels[at : at + step]) for at in range(0, len(mels), step)]
        return np.concatenate(parts)

    def _encoded(self, mels: Features) -> Features:
        output: Features = np.array(self._whisper.encode(ctranslate2.StorageView.from_array(mels), to_cpu=True))
        return output


def openvino_encoders(
    folder: Path, plan: Plan, cores: int, niceness: int, own: Encoder | None
) -> tuple[OpenvinoEncoder, OpenvinoEncoder] | None:
    """Returns a model's encoders on OpenVINO: one as the plan says, and one that has all cores for a window.

    niceness: of the first one's threads. None where OpenVINO cannot be had, or is not clearly faster than `own`, which
    is None, too, where that is known.
    """
    try:
        from transcription.engine.ctranslate2_backend.openvino_encoder import OpenvinoEncoder, encoder_graph

        graph = encoder_graph(folder)
        alone = OpenvinoEncoder(graph, 1, cores)
        if own is not None and not is_faster(alone, own, alone.n_mels):
            return None
        return OpenvinoEncoder(graph, max(1, plan.encoders), plan.threads, niceness), alone
    except ImportError:
        log.info("CTranslate2 encodes, as OpenVINO is not installed")
    except (EngineError, OutOfDeviceMemory, RuntimeError) as error:
        log.warning("CTranslate2 encodes for %s, as OpenVINO cannot: %s", folder.name, error)
    return None


def is_faster(rival: Encoder, own: Encoder, n_mels: int) -> bool:
    """Returns whether a rival encodes 10 s of noise in clearly less CPU time, which a busy machine hardly changes.

    CTranslate2's attention is slow: in a whole window the rival gains more.
    """
    mel = np.random.default_rng(0).normal(0.0, 0.3, (1, n_mels, TRIAL_FRAMES)).astype(np.float32)
    until, rounds = time.monotonic() + TRIAL_SECONDS, list[tuple[float, float]]()
    while not rounds or (len(rounds) < TRIAL_ROUNDS and time.monotonic() < until):
        rounds.append((_cpu_seconds(rival, mel), _cpu_seconds(own, mel)))
    theirs, ours = (min(seconds) for seconds in zip(*rounds, strict=True))
    log.info("10 s are encoded in %.0f ms of CPU time by OpenVINO, %.0f by CTranslate2", theirs * 1e3, ours * 1e3)
    return bool(theirs * CLEARLY < ours)


def _cpu_seconds(encode: Encoder, mel: Features) -> float:
    began = time.process_time()
    encode(mel)
    return time.process_time() - began
