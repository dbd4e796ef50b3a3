"""The product's engine with a model that needs no weights: `python -m tests.scripted.engine serve …`.

In every ten seconds that are not silent it hears the fox, and three words that follow from the samples; it is unsure
whether the dog is lazy. Everything before and after the model is the product's own.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Collection, Hashable, Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.scripted.control import EngineControl
from transcription.engine.backend import Backend, Decoded, Language, WordTiming, Work
from transcription.engine.types import (
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    TIMESTAMPS_PER_SECOND,
    WINDOW_SECONDS,
)

FOLDER_VARIABLE = "SCRIPTED_ENGINE_FOLDER"
SENTENCE = ["The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
ENDINGS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron"),
    *("inlet", "jetty", "knoll", "larch", "marsh", "north", "ocean", "pearl"),
)
WORDS = (*SENTENCE, *ENDINGS)
FULL_STOP = len(WORDS)
END = FULL_STOP + 1
TIMESTAMPS = END + 1
PIECE_SECONDS = 10
QUIET = 75.0
"""Root mean square below which ten seconds are silence."""

SECONDS_PER_SECOND = 0.02
"""What decoding takes for each second of a window."""


class ScriptedVocabulary:
    """A token for each word, and one for the full stop."""

    eot = END
    timestamp_begin = TIMESTAMPS
    is_whispers = True
    languages = frozenset({"en", "de"})

    def encode(self, text: str) -> list[int]:
        return [ord(letter) % FULL_STOP for letter in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(_text(token) for token in tokens if token < END)


class ScriptedModel:
    """A BatchModel. Waits before each batch while the test holds the engine."""

    def __init__(self, control: EngineControl) -> None:
        self.vocabulary = ScriptedVocabulary()
        self._control = control

    def encode(self, works: Sequence[Work]) -> None:
        pass

    def detect(self, works: Sequence[Work]) -> list[Language]:
        return [Language("en", 0.9) for _work in works]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        """Spreads the words evenly over the window."""
        return [_timings(_seconds(work), text) for work, text in zip(works, texts, strict=True)]

    def close(self) -> None:
        pass

    def batch_key(self, work: Work) -> Hashable:
        return work.temperature

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        while not self._control.may_pass():
            time.sleep(0.02)
        time.sleep(SECONDS_PER_SECOND * max(_seconds(work) for work in batch))
        return [_decoded(work) for work in batch]


class ScriptedBackend(Backend):
    """One thread on no device."""

    name = "scripted"
    library_version = "1"
    device = "cpu"
    compute_type = "none"
    workers = 1

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> ScriptedModel:
        return ScriptedModel(EngineControl(Path(os.environ[FOLDER_VARIABLE])))

    def memory_mib(self, path: Path) -> float:
        return 1.0


def _decoded(work: Work) -> Decoded:
    """Leaves the last piece of a full window unfinished in exact mode: the next window begins with it."""
    seconds = _seconds(work)
    samples = work.window.samples
    count = max(1, round(seconds / PIECE_SECONDS))
    edges = [seconds * number / count for number in range(count + 1)]
    pieces = [
        _piece(start, end, samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]) for start, end in pairwise(edges)
    ]
    if work.window.passage is not None and seconds >= WINDOW_SECONDS and pieces[-1]:
        pieces[-1] = pieces[-1][:-1]
    tokens = tuple(chain.from_iterable(pieces))
    text = ScriptedVocabulary().decode(tokens)
    return Decoded(tokens, text, avg_logprob=-0.3, no_speech_prob=0.01 if tokens else 0.99)


def _piece(start: float, end: float, samples: NDArray[np.int16]) -> list[int]:
    """A timestamp, words, and a timestamp; nothing for silence."""
    if not len(samples) or np.sqrt(np.mean(samples.astype(np.float32) ** 2)) < QUIET:
        return []
    digest = hashlib.sha256(samples.tobytes()).digest()
    endings = [len(SENTENCE) + byte % len(ENDINGS) for byte in digest[:3]]
    first, last = (TIMESTAMPS + int(TIMESTAMPS_PER_SECOND * second) for second in (start, end))
    return [first, *range(len(SENTENCE)), *endings, FULL_STOP, last]


def _seconds(work: Work) -> float:
    passage = work.window.passage
    return passage.frames / FRAMES_PER_SECOND if passage else len(work.window.samples) / SAMPLE_RATE


def _timings(seconds: float, tokens: Sequence[int]) -> list[WordTiming]:
    each = seconds / max(1, len(tokens))
    return [
        WordTiming(_text(token), [token], at * each, (at + 1) * each, 0.3 if _text(token) == " lazy" else 0.9)
        for at, token in enumerate(tokens)
    ]


def _text(token: int) -> str:
    return "." if token == FULL_STOP else f" {WORDS[token]}"


def main(arguments: Sequence[str]) -> int:
    from transcription.engine import backend_selection, cli, watchdog

    watchdog.LEAST_PATIENCE_SECONDS = float("inf")  # a test holds a batch for as long as it needs
    backend_selection.choose_backend = lambda *_args, **_kwargs: ScriptedBackend()
    backend_selection.weights_for = lambda *_args: Path(__file__)
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
