"""What a backend is: the part that owns models on a device and turns windows into tokens.

There are two kinds of models. A BatchModel decodes some windows in one call, from start to end. A
StepModel has slots, which windows enter and leave while others are under way.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from transcription.engine.compression import compression_ratio
from transcription.engine.types import DecodeOptions, Window


class OutOfDeviceMemory(Exception):
    """It did not fit: try less at once."""


class DeviceLost(Exception):
    """The device's state is beyond repair: only a new process can go on."""


@dataclass(slots=True, eq=False)
class Work:
    """One window on its way through a model.

    `prompt` is the tokens before the start of the transcript, without the one that announces them;
    at most 223. `encoding` is the model's own: what its encoder made of the audio, kept so that
    detecting the language, every further temperature and the timing of words need no second run.
    `urgent` asks for what a backend keeps free for `urgent_workers`.
    """

    window: Window
    options: DecodeOptions
    language: str | None = None
    temperature: float = 0.0
    prompt: tuple[int, ...] = ()
    urgent: bool = False
    encoding: object = field(default=None, repr=False)

    @property
    def beams(self) -> int:
        """With how many beams to search; 1 at temperatures above 0, as openai-whisper has it."""
        return self.options.beam_size if self.temperature == 0 else 1


@dataclass(frozen=True, slots=True)
class Language:
    """A detected language and its probability; `chances` are those of all that the model knows, by code."""

    code: str
    probability: float
    chances: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Decoded:
    """What a model made of a window at one temperature.

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
        return compression_ratio(self.text.strip())


@dataclass(slots=True)
class WordTiming:
    """A word with its tokens; seconds from the window's start. openai-whisper's fields.

    Raw alignment: punctuation still stands alone, long words are not cut yet.
    """

    word: str
    tokens: list[int]
    start: float
    end: float
    probability: float


class Vocabulary(Protocol):
    """A model's tokens."""

    eot: int
    """The end of the text; text is below it, special tokens from it on."""
    timestamp_begin: int
    """Stands for 0.00 s; greater ones for 0.02 s more each."""
    languages: frozenset[str]
    """ISO codes that the model has a token for; only "en" for a model that knows nothing else."""

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, which may be hostile: what looks like a special token is text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; timestamps and special tokens are left out."""


class Model(Protocol):
    """A loaded model. Works in one call are of this model."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokens."""

    def encode(self, works: Sequence[Work]) -> None:
        """Set the `encoding` of works that lack it."""

    def detect(self, works: Sequence[Work]) -> list[Language]:
        """The language spoken in each window, encoded already."""

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        """When each word of a text was said: `texts` are tokens below eot, one text for each work.

        As whisper.timing.find_alignment; the works are encoded and their languages known.
        """

    def close(self) -> None:
        """Give its memory back. Nothing is called afterwards."""


class BatchModel(Model, Protocol):
    """Its methods are called from several threads at once."""

    def batch_key(self, work: Work) -> Hashable:
        """Works with equal keys may share a call of `decode`."""

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        """Decode encoded works of one key, whose languages are known.

        Raises OutOfDeviceMemory, DeviceLost, or anything else for a poisoned window.
        """


class StepModel(Model, Protocol):
    """`encode`, `detect` and `align` may be called from one thread while another steps."""

    def room(self, works: Sequence[Work]) -> bool:
        """Whether `admit` would find places for these now. Some places are kept for interactive ones."""

    def admit(self, works: Sequence[Work]) -> None:
        """Put encoded works, whose languages are known, under way. Raises as `decode` does."""

    def step(self) -> None:
        """Feed every window one token. On a GPU this only queues the work."""

    def finished(self) -> list[tuple[Work, Decoded]]:
        """What is known to be done, each once; its place is free again."""

    def evict(self, work: Work) -> None:
        """Give up a work that is under way, or nothing if it isn't."""

    def halve(self) -> None:
        """From now on only half as many may be under way as there are places, at the least one."""


class Backend(Protocol):
    """A device with a library that decodes on it."""

    name: str
    library_version: str
    """Of the library that decodes, such as "4.6.0"."""
    device: str
    workers: int
    """Threads that may call a BatchModel at once, urgent ones not counted; 0 where models are StepModels.

    How many is certain when a model is open.
    """
    urgent_workers: int
    """Threads that may call a BatchModel besides, with urgent works only."""

    @property
    def encoders(self) -> int:
        """Threads that may have a BatchModel encode at once, at least one; certain when a model is open."""

    @property
    def compute_type(self) -> str:
        """The numbers it computes with, such as "int8"; certain when a model is open."""

    def open(self, name: str, path: Path) -> BatchModel | StepModel:
        """Load a model from its file or folder.

        Raises EngineError for a file that is damaged, OutOfDeviceMemory, DeviceLost.
        """

    def memory_mib(self, path: Path) -> float:
        """What a model from this file or folder takes on the device when it is open, about."""

    def free_mib(self) -> float:
        """What models may still take of the device's memory; infinite where opening one finds out."""

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        """Used and total memory of the GPU, or None without one."""
