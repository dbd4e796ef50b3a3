"""Where somebody speaks: Silero's voice activity detector, block by block.

The network (silero-vad v6, MIT) ships inside the faster-whisper package as ONNX. It is
opened directly, so that neither that package nor CTranslate2 is loaded. For every frame
of 512 samples it sees the 64 samples before as well, and carries the state of an LSTM
from frame to frame; handing it many frames at once is what makes it fast.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transcription.engine.onnx_network import open_network
from transcription.engine.types import EngineError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
BLOCK_FRAMES = 512
"""Frames to a call. Always the same number, so that a recording is always cut alike."""

STATE_SHAPE = (1, 1, 128)

QUIET = 750.0
"""Where the loudest frame's root mean square is below this (-33 dBFS), the block is amplified: the network does not
hear a voice below -60 dBFS, which Whisper does."""

AMPLIFIED = 3000.0
"""To this root mean square of its loudest frame, at most a thousand times."""


def model_path() -> Path:
    """Returns where the installed faster-whisper keeps the network. Raises EngineError if it does not."""
    spec = importlib.util.find_spec("faster_whisper")
    for folder in (spec and spec.submodule_search_locations) or []:
        path = Path(folder) / "assets" / "silero_vad_v6.onnx"
        if path.exists():
            return path
    raise EngineError("silero_vad_v6.onnx is missing: install faster-whisper==1.2.1")


@cache
def network() -> InferenceSession:
    """Returns the opened network, which threads and forks share: it takes as long to open as 10 s of sound to hear."""
    return open_network(model_path())


class VoiceDetector:
    """A detector for one recording, which must be fed in order."""

    def __init__(self) -> None:
        self._session = network()
        self._hidden = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._cell = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)

    def probabilities(self, samples: NDArray[np.int16], level: float = 0.0) -> NDArray[np.float32]:
        """Returns how likely each frame holds speech, shape (n,).

        samples: shape (512 n,), the recording's next ones. level: the root mean square of the loudest frame around
        them, where they are too few to say how loud the recording is.
        """
        frames = _audible(samples.astype(np.float32).reshape(-1, FRAME_SAMPLES), level) / 32768.0
        before = np.vstack([self._context, frames[:-1, -CONTEXT_SAMPLES:]])
        self._context = frames[-1, -CONTEXT_SAMPLES:].copy()
        chances, self._hidden, self._cell = self._session.run(
            None, {"input": np.hstack([before, frames]), "h": self._hidden, "c": self._cell}
        )
        result: NDArray[np.float32] = np.asarray(chances, dtype=np.float32).reshape(-1)
        return result


def _audible(frames: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    loudest = max(level, float(np.sqrt(np.max(np.mean(frames**2, axis=1)))))
    if loudest >= QUIET:
        return frames
    louder = frames * np.float32(min(1000.0, AMPLIFIED / max(loudest, 1.0)))
    return louder.clip(-32768.0, 32767.0)
