"""What a backend is: the part that owns the model and turns batches of windows into tokens."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from transcription.engine.types import DecodeOptions, Window, Word


class OutOfDeviceMemory(Exception):
    """The batch did not fit: try a smaller one."""


class DeviceLost(Exception):
    """The device's state is beyond repair: only a new process can go on."""


@dataclass(slots=True, eq=False)
class Work:
    """One window on its way through the model.

    `encoding` is the backend's own: what the encoder made of the audio, kept so that
    detecting the language and every further temperature need no second run of it.
    """

    window: Window
    options: DecodeOptions
    language: str | None = None
    temperature: float = 0.0
    encoding: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Language:
    """A detected language and its probability."""

    code: str
    probability: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of one segment, with seconds counted from the window's start."""

    start: float
    end: float
    tokens: tuple[int, ...]
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the model made of a window at one temperature.

    `avg_logprob` is the sum of the tokens' log-probabilities over their number plus one
    (the end of the text counts), as in openai-whisper.
    """

    pieces: tuple[Piece, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


class Backend(Protocol):
    """A model, or several, on a device. Its methods are called from `workers` threads at once."""

    name: str
    library_version: str
    """Of the library that decodes, such as "4.6.0"."""
    device: str
    compute_type: str
    workers: int
    gather_seconds: float
    """How long a batch that isn't full may wait for company."""

    def load(self, models: dict[str, Path]) -> None:
        """Load each model from its folder or file."""

    def knows(self, model: str, language: str) -> bool:
        """Whether the model has a token for this language."""

    def detect(self, batch: Sequence[Work]) -> list[Language]:
        """The language spoken in each window; the works are of one model."""

    def batch_key(self, work: Work) -> Hashable:
        """Works with equal keys may share a call of `decode`."""

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        """Decode works of one key, whose languages are known.

        Raises OutOfDeviceMemory, DeviceLost, or anything else for a poisoned window.
        """

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        """Used and total memory of the GPU, or None without one."""
