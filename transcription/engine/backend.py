"""The interface of backends, which run models on a device and turn windows into tokens.

There are two kinds of models. A BatchModel decodes some windows in one call, from start to end. A
StepModel has slots, which windows enter and leave while others are under way.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from transcription.engine import machine
from transcription.engine.types import WINDOW_FRAMES, DecodeOptions, Window

T = TypeVar("T")


class OutOfDeviceMemory(Exception):
    """The device is out of memory: fewer windows at once may fit."""


class DeviceLost(Exception):
    """The device failed for good: only a new process can continue."""


class DeviceBusy(DeviceLost):
    """The device can't be used now: another process has it alone, or what it needs is not running yet."""


class ServerAway(Exception):
    """The server that decodes takes no windows now: they wait until it does.

    seconds: after which it asks to be tried again; None where it doesn't say. broke: whether it broke off, for which
    the window may be to blame.
    """

    def __init__(self, reason: str, seconds: float | None = None, broke: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds
        self.broke = broke


@dataclass(slots=True, eq=False)
class Work:
    """A window with the state of its decoding.

    `prompt` is the tokens before the start of the transcript, without the one that announces them;
    at most 223. `encoding` is the model's own: what its encoder made of the audio, kept so that
    detecting the language, every further temperature and the timing of words need no second run.
    `urgent` asks for what a backend keeps free for `urgent_workers`. `in_float32` is set when a StepModel decodes the
    work apart, which it does once with each encoding.
    """

    window: Window
    options: DecodeOptions
    language: str | None = None
    temperature: float = 0.0
    prompt: tuple[int, ...] = ()
    urgent: bool = False
    in_float32: bool = False
    encoding: object = field(default=None, repr=False)

    @property
    def beams(self) -> int:
        """The number of beams; 1 at temperatures above 0, as in openai-whisper."""
        return self.options.beam_size if self.temperature == 0 else 1

    @property
    def seed(self) -> int:
        """Of the sampling: the same recording gets the same text again, and a hotter try another draw."""
        return 1000 * self.window.index + round(100 * self.temperature)

    def hear_in_full(self) -> None:
        """Discards the encoding: the next one is of Whisper's 30 s, and may be no number in half precision, too."""
        self.window = replace(self.window, encoder_frames=WINDOW_FRAMES)
        self.encoding = None
        self.in_float32 = False


def alike(work: Work) -> Hashable:
    """Returns the key of works that may share a batch: with as many start tokens and encodings of one length."""
    window = work.window
    return (work.urgent, work.temperature, len(work.prompt), work.beams, window.tail is None, window.encoder_frames)


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Returns the items in groups of equal keys."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def by_encoder_frames(works: Iterable[Work]) -> list[list[Work]]:
    """Returns the works in groups whose encodings have one length."""
    return grouped(works, lambda work: work.window.encoder_frames)


@dataclass(frozen=True, slots=True)
class Language:
    """A detected language and its probability; `chances` are those of all that the model knows, by code."""

    code: str
    probability: float
    chances: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def likeliest(cls, chances: Mapping[str, float]) -> Language:
        """Returns the most probable of some languages."""
        code = max(chances, key=chances.__getitem__)
        return cls(code, chances[code], chances)


@dataclass(frozen=True)
class Decoded:
    """The result of decoding a window at one temperature.

    `tokens` are what was sampled, timestamps included, the end of the text left out; `text` is
    theirs. `avg_logprob` is the sum of the tokens' log-probabilities over their number plus one
    (the end of the text counts), as in openai-whisper.

    Raises ArithmeticError where a figure is no number: then the model made nothing of the window.
    """

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.avg_logprob) and math.isfinite(self.no_speech_prob)):
            raise ArithmeticError("the model's probabilities are not numbers")

    @cached_property
    def compression_ratio(self) -> float:
        """The bytes of the text over its bytes after zlib: high where it repeats itself."""
        data = self.text.strip().encode()
        return len(data) / len(zlib.compress(data))


@dataclass(slots=True)
class WordTiming:
    """A word with its tokens; seconds from the window's start. openai-whisper's fields, and `joint_probability`.

    Raw alignment: punctuation still stands alone, long words are not cut yet. The probability is the mean of the
    tokens', the joint one their product, 1.0 where they are not known.
    """

    word: str
    tokens: list[int]
    start: float
    end: float
    probability: float
    joint_probability: float = 1.0


class Vocabulary(Protocol):
    """A model's tokens."""

    eot: int
    """The end-of-text token. Text tokens are smaller, special tokens greater."""
    timestamp_begin: int
    """The timestamp token of 0.00 s. Each following token stands for 0.02 s more."""
    is_whispers: bool
    """Whether these are Whisper's tokens, of which callers are told."""
    languages: frozenset[str]
    """ISO codes that the model has a token for; only "en" for a model that knows nothing else."""

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text. A special token's name in it is encoded as text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the text of tokens, without timestamps and special tokens."""


class Model(Protocol):
    """A loaded model."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokens."""

    def encode(self, works: Sequence[Work]) -> None:
        """Sets the `encoding` of works that have none."""

    def detect(self, works: Sequence[Work]) -> list[Language]:
        """Returns the language of each encoded window."""

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        """Returns the words of each text with their times. texts: text tokens, one sequence for each work.

        As whisper.timing.find_alignment; the works are encoded and their languages known.
        """

    def close(self) -> None:
        """Releases the model's memory. It is not used afterwards."""


class BatchModel(Model, Protocol):
    """Its methods are called from several threads at once."""

    def batch_key(self, work: Work) -> Hashable:
        """Works with equal keys may share a call of `decode`."""

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        """Decodes encoded works of one batch key, whose languages are known.

        At most 224 tokens each, fewer after a long prompt or in a short context; the first is a timestamp up to 1.00 s.
        Raises OutOfDeviceMemory, DeviceLost, ServerAway, or anything else for a poisoned window.
        """


class StepModel(Model, Protocol):
    """One thread may call `encode` and `detect`, and another `encode` and `align`, while a third steps."""

    is_short: bool
    """Whether it has fewer slots than are useful, for lack of memory."""

    @property
    def slots(self) -> int:
        """How many works it may have under way."""

    def room(self, works: Sequence[Work]) -> bool:
        """Returns whether there are slots for these now. Some slots are reserved for interactive windows."""

    def admit(self, works: Sequence[Work]) -> None:
        """Admits encoded works, whose languages are known, to slots. Raises as BatchModel.decode does."""

    def step(self) -> None:
        """Feeds every window one token. On a GPU this only queues the step."""

    def finished(self) -> Sequence[tuple[Work, Decoded | Exception]]:
        """Returns the finished works, each once, and frees their slots.

        An exception is of one work alone: ArithmeticError where its figures are no numbers, OutOfDeviceMemory where
        there was none for it beside others, or anything else.
        """

    def decode_apart(self, work: Work) -> Decoded:
        """Encodes and decodes one work in float32, apart from the slots, in a thread of its own.

        Raises ArithmeticError where the figures are no numbers in float32 either, OutOfDeviceMemory, DeviceLost.
        """

    def evict(self, work: Work) -> None:
        """Frees the slot of a work; does nothing if it has none."""

    def halve(self) -> None:
        """Halves the number of works that may be under way, to at least one."""


class Backend(Protocol):
    """A device and the library that decodes on it. Backends inherit from it."""

    name: str
    library_version: str
    """The version of the library that decodes, such as "4.6.0"."""
    device: str
    compute_type: str
    """The type of its arithmetic, such as "int8"; final once a model is open."""
    workers: int
    """Threads that may call a BatchModel at once, urgent ones not counted; 0 where models are StepModels.

    This number and the next two are final once a model is open.
    """
    urgent_workers: int = 0
    """Threads that may call a BatchModel besides, with urgent works only."""
    encoders: int = 1
    """Threads that may have a BatchModel encode at once, at least one."""

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> BatchModel | StepModel:
        """Loads a model from its file or folder.

        beside: models that are in use, too, open or not, to which a model with slots leaves their share of the memory.
        Raises EngineError for a file that is damaged, DeviceLost, and OutOfDeviceMemory where others have to be closed
        first.
        """

    def memory_mib(self, path: Path) -> float:
        """Estimates the memory of a model from this file or folder, in MiB."""

    def free_mib(self) -> float:
        """Returns the memory that is free for models, in MiB; infinite where only opening one tells."""
        return machine.available_mib() if self.device == "cpu" else math.inf

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        """Returns the used and the total memory of the GPU, in MiB; None without a GPU."""
        return None
