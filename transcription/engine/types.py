"""The values that callers and the engine exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second, the only rate that Whisper takes."""

WINDOW_SECONDS = 30
"""The length of Whisper's window in seconds."""

WINDOW_SAMPLES = SAMPLE_RATE * WINDOW_SECONDS

TIMESTAMPS_PER_SECOND = 50
LAST_TIMESTAMP = 30 * TIMESTAMPS_PER_SECOND

FRAME_SAMPLES = 160
"""Samples from one frame of the spectrogram to the next: 10 ms."""

FRAMES_PER_SECOND = SAMPLE_RATE // FRAME_SAMPLES

WINDOW_FRAMES = WINDOW_SECONDS * FRAMES_PER_SECOND

ENCODER_STEP = 200
"""The encoder hears a multiple of so many frames, so that windows of few lengths share batches."""

LEAD_SAMPLES = 2 * FRAME_SAMPLES
"""Samples before the start of a window in exact mode: its first frames depend on the 200 samples before them."""

TRAIL_SAMPLES = 40
"""Samples after the last frame of a window in exact mode."""

Lane = Literal["interactive", "standard", "bulk"]
LANES: tuple[Lane, ...] = get_args(Lane)
"""From the most to the least urgent."""

Task = Literal["transcribe", "translate"]

Mode = Literal["exact", "fast"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""exact: openai-whisper's order, one window after the other. fast: all windows side by side."""

Unload = Literal["unused", "room", "grown", "operator"]
UNLOADS: tuple[Unload, ...] = get_args(Unload)
"""Why a model is unloaded: nobody used it, another one needs its memory, there is more for it now, an operator's."""

MAX_BEAM_SIZE = 10

Span = tuple[float, float]
"""Seconds from and to."""


class EngineError(Exception):
    """The base of the engine's errors."""


class DoesNotFit(EngineError):
    """A model, or a search, needs more of the device's memory than there is for it."""


class EngineUnavailable(EngineError):
    """No engine answered at the address within the caller's `patience`."""


class WindowRejected(EngineError):
    """The caller's input is invalid. Sending it again does not help."""


class WindowFailed(EngineError):
    """The engine failed on this window. Another try may succeed."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """The options of a transcription.

    `temperature` 0 means greedy search with Whisper's automatic fallback up to 1.0;
    any other value is sampled at as it is. `language` is an ISO code such as "en",
    or None to detect it, among `languages` where there are any: in the stream's first window, and with
    `follow_language` in every other one, too. `prompt` is text that the
    recording might have continued, at its beginning (in fast mode: each window might); its last
    223 tokens count. `hotwords` are names and terms that every window is reminded of, at the cost
    of the prompt's room. `beam_size` above 1 searches with so many beams where the temperature is 0.
    `prefers_words` times words like `word_timestamps`, but leaves them out where a model can't.
    `skip_non_speech` gives no text to what the voice detector is sure is no speech, where it is silent or Whisper
    agrees; without it exact mode is openai-whisper's, inventions and all.
    """

    model: str
    task: Task = "transcribe"
    language: str | None = None
    temperature: float = 0.0
    prompt: str = ""
    hotwords: str = ""
    word_timestamps: bool = False
    beam_size: int = 1
    languages: tuple[str, ...] = ()
    follow_language: bool = True
    skip_non_speech: bool = True
    prefers_words: bool = False
    lane: Lane = "standard"

    @property
    def keeps_words(self) -> bool:
        """Whether segments have their words."""
        return self.word_timestamps or self.prefers_words

    @property
    def follows_language(self) -> bool:
        """Whether the language is detected in every window."""
        return self.language is None and self.follow_language and len(self.languages) != 1


TOLERANCE = 0.02
"""Seconds by which a window's start and end may be rounded, and those of a tail: one timestamp."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a window in exact mode depends on besides its samples.

    frames: of 10 ms that the recording has in the window, 1 to 3000.
    lead: samples before the window's start, for the spectrogram's first frames: 0 or LEAD_SAMPLES.
    loudest: log10 of the loudest mel power in the whole recording.
    context: tokens of the text before; None at the beginning, where the options' prompt stands for it.
    last_speech: seconds at which the last word before the window ended.
    """

    frames: int
    lead: int
    loudest: float
    context: tuple[int, ...] | None = None
    last_speech: float = 0.0


@dataclass(frozen=True, slots=True)
class Tail:
    """The part of a window in fast mode after the text that is known. Only this part is decoded.

    after: where that text ends, from the window's start, in timestamps of 0.02 s: 0 to 1500.
    context: its tokens, timestamps included; none where it is not to be believed.
    """

    after: int
    context: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """What the voice detector hears, in seconds of the recording, in order.

    speech: what is certainly speech. non_speech: stretches of a second or more without any.
    """

    speech: tuple[Span, ...] = ()
    non_speech: tuple[Span, ...] = ()

    def within(self, start: float, end: float) -> Voice:
        """Returns what of it is between two times."""

        def parts(spans: tuple[Span, ...]) -> tuple[Span, ...]:
            return tuple((max(a, start), min(b, end)) for a, b in spans if a < end and b > start)

        return Voice(parts(self.speech), parts(self.non_speech))


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording: mono int16 at 16 kHz, shape (n,), 0 < n <= 480,000.

    `start` and `end` are seconds in the recording. With a `passage` it belongs to exact mode, and
    its samples are lead + 160 * frames + TRAIL_SAMPLES, fewer where the recording ends. With a `tail`
    only that is asked for. `non_speech` are stretches of the recording, in seconds, in which the voice detector
    hears nobody: what is heard in one of them is dropped. `encoder_frames` are the frames of 10 ms that the encoder
    hears, a multiple of ENCODER_STEP: the window's own and padding. It is 3000 in exact mode. `voice` is what its text
    is compared with by the caller, and `overlap` are the seconds at its end that the next window begins with, too; the
    engine does without them. With `times_words` it times words, where it can, though the options don't ask for them:
    the texts of windows that overlap are merged by words.
    """

    index: int
    start: float
    end: float
    samples: NDArray[np.int16]
    passage: Passage | None = None
    tail: Tail | None = None
    non_speech: tuple[Span, ...] = ()
    encoder_frames: int = WINDOW_FRAMES
    voice: Voice = Voice()
    overlap: float = 0.0
    times_words: bool = False

    @property
    def next_start(self) -> float:
        """The seconds at which the next window may begin."""
        return self.end - self.overlap

    @property
    def sounding_frames(self) -> int:
        """Frames of 10 ms that hold its sound; what the encoder hears after them is padding."""
        return self.passage.frames if self.passage else len(self.samples) // FRAME_SAMPLES

    @property
    def is_short(self) -> bool:
        """Whether the encoder hears less than Whisper's 30 s."""
        return self.encoder_frames < WINDOW_FRAMES

    @property
    def is_doubted(self) -> bool:
        """Whether the voice detector finds no speech in it: decoded without hotwords and prompt, kept if confident."""
        return any(a <= self.start + TOLERANCE and self.end - TOLERANCE <= b for a, b in self.non_speech)


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its seconds in the recording; it keeps its leading space.

    The probability is the mean of its tokens', the joint one their product, 1.0 where they are not known.
    """

    word: str
    start: float
    end: float
    probability: float
    joint_probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A timed piece of text, with the figures that openai-whisper reports.

    `start` and `end` are seconds in the recording; `seek` is the window's first frame
    (hundredths of a second); `text` keeps its leading space. `non_speech_share` is how much of its time
    the voice detector finds without speech, 0.0 to 1.0.
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
    non_speech_share: float = 0.0


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The transcript of one window, without segments if nobody speaks.

    `model_version` names what decoded it: equal versions hear the same, as EngineStatus.versions says.
    In exact mode the next window starts at `end`, with this `context` and this `last_speech`. In fast mode a next
    window that starts at `end` may overlap with this one, whose text covers the time up to `last_speech`.
    `encoder_frames` are what the encoder heard when the text was found: 3000 where a window was heard again in full.
    `missed_speech` are stretches, in seconds, that the voice detector is sure of and that have no text.
    """

    index: int
    start: float
    end: float
    language: str
    language_probability: float
    segments: tuple[Segment, ...]
    model_version: str = ""
    context: tuple[int, ...] = ()
    last_speech: float = 0.0
    encoder_frames: int = WINDOW_FRAMES
    missed_speech: tuple[Span, ...] = ()


@dataclass(slots=True)
class Tally:
    """Totals since the engine's start, of which none ever falls.

    busy_seconds: in calls of models, parallel ones added up. batches: calls of a decoder, or steps of one with slots;
    batch_windows: windows in them. loads: of models; unloads: the same by reason, one of UNLOADS. out_of_memory: how
    often the device had none for what was tried.
    """

    windows: int = 0
    audio_seconds: float = 0.0
    busy_seconds: float = 0.0
    tokens: int = 0
    batches: int = 0
    batch_windows: int = 0
    out_of_memory: int = 0
    loads: int = 0
    unloads: dict[Unload, int] = field(default_factory=lambda: dict.fromkeys(UNLOADS, 0))


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine's state. Memory is in MiB, times are in seconds.

    `memory_used_mib` is the process's resident set; the GPU's figures are None on a CPU.
    `models` are those offered, `loaded` those in memory: the others are
    loaded when they are asked for. `slots` are those of the loaded models, 0 where there are none; `batch_capacity` is
    how many windows a batch or a step may hold. `versions` has a
    line for each one whose weights are there, which changes when its results may; it is empty until then. `mels` are
    those of each model that is an operator's own. `rung` is that of the ladder for GPUs; empty where there is none to
    choose.
    Calls are those of models, each of which ends in time or is ended with its process.
    """

    ready: bool
    models: tuple[str, ...]
    pid: int
    memory_used_mib: float
    queued_windows: dict[Lane, int]
    uptime_seconds: float
    error: str
    backend: str = ""
    device: str = ""
    compute_type: str = ""
    gpu_memory_used_mib: float | None = None
    gpu_memory_total_mib: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    windows_under_way: int = 0
    calls_in_hand: int = 0
    calls_done: int = 0
    mels: dict[str, int] = field(default_factory=dict)
    rung: str = ""
    loaded: tuple[str, ...] = ()
    slots: int = 0
    batch_capacity: int = 0
    tally: Tally = field(default_factory=Tally)
