"""The values that go into the engine and come out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples a second: the only rate that Whisper hears."""

WINDOW_SECONDS = 30
"""The longest stretch of audio that Whisper sees at once."""

WINDOW_SAMPLES = SAMPLE_RATE * WINDOW_SECONDS

Lane = Literal["interactive", "standard", "bulk"]
LANES: tuple[Lane, ...] = get_args(Lane)
"""From the most to the least urgent."""

Task = Literal["transcribe", "translate"]


class EngineError(Exception):
    """Something between a window and its text went wrong."""


class EngineUnavailable(EngineError):
    """Nobody answers at the engine's address, and the caller's patience is over."""


class WindowRejected(EngineError):
    """The caller's own input is at fault: sending it again will not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WindowFailed(EngineError):
    """The engine failed on this window: another try may succeed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How to turn a window into text.

    `temperature` 0 means greedy search with Whisper's automatic fallback up to 1.0;
    any other value is sampled at as it is. `language` is an ISO code such as "en",
    or None to detect it in the stream's first window. `prompt` is text that the
    recording might have continued; its last 223 tokens count.
    """

    model: str
    task: Task = "transcribe"
    language: str | None = None
    temperature: float = 0.0
    prompt: str = ""
    word_timestamps: bool = False
    lane: Lane = "standard"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording: mono int16 at 16 kHz, shape (n,), 0 < n <= 480,000.

    `start` and `end` are seconds in the recording.
    """

    index: int
    start: float
    end: float
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its seconds in the recording; it keeps its leading space."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A timed piece of text, with the figures that openai-whisper reports.

    `start` and `end` are seconds in the recording; `seek` is the window's first frame
    (hundredths of a second); `text` keeps its leading space.
    """

    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    seek: int
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What the engine heard in one window; no segments where nobody speaks.

    `model_version` names what decoded it: equal versions hear the same, as EngineStatus.versions says.
    """

    index: int
    start: float
    end: float
    language: str
    language_probability: float
    segments: tuple[Segment, ...]
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the engine is doing. Memory is in MiB, times are in seconds.

    `memory_used_mib` is the process's resident set; the GPU's figures are None on a CPU.
    `busy_seconds` adds up over parallel batches. `versions` has a line for each loaded model that
    changes when its results may; it is empty until they are loaded.
    """

    ready: bool
    backend: str
    device: str
    models: tuple[str, ...]
    compute_type: str
    pid: int
    memory_used_mib: float
    gpu_memory_used_mib: float | None
    gpu_memory_total_mib: float | None
    windows_done: int
    audio_seconds_done: float
    busy_seconds: float
    queued_windows: dict[Lane, int]
    uptime_seconds: float
    error: str
    versions: dict[str, str] = field(default_factory=dict)
