"""Ranks the candidates of one window's beam search on the host.

The algorithms are those of BeamSearchDecoder, with its order of ties, and of MaximumLikelihoodRanker without a length
penalty, in whisper.decoding of openai-whisper 20250625.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcription.engine.decode_result import DecodeResult

NO_TIMESTAMP = -1


@dataclass(frozen=True, slots=True)
class Beam:
    """The sampled tokens of a text, the sum of their log-probabilities in float32, and the last timestamp token or
    NO_TIMESTAMP."""

    tokens: tuple[int, ...] = ()
    total: float = 0.0
    timestamp: int = NO_TIMESTAMP

    def with_token(self, token: int, total: float, is_timestamp: bool) -> Beam:
        return Beam((*self.tokens, token), total, token if is_timestamp else self.timestamp)


@dataclass(frozen=True, slots=True)
class StepInput:
    """The input of a beam's next step: the token before the newest one, the newest one, its position, the last
    timestamp token."""

    previous: int
    newest: int
    position: int
    timestamp: int


class Search:
    """The beams of a window. While it is fed its start tokens there is one beam, which all rows repeat.

    start: the tokens before the first sampled one. fed: how many of them are fed when `advance` is called for the first
    time. end: the most tokens, start tokens included. beams: the unfinished texts, best first; as many finished ones
    end the search, which is openai-whisper's patience of 1. sources: for each row, the row whose text it continues. The
    caller copies the cache accordingly, and then calls `reset_sources`.
    """

    def __init__(self, start: Sequence[int], fed: int, end: int, beams: int, eot: int, timestamp_begin: int) -> None:
        self.no_speech = 0.0
        self.done = False
        self._start = start
        self._first = fed
        self._end = end
        self._size = beams
        self.sources = list(range(beams))
        self._eot = eot
        self._timestamp_begin = timestamp_begin
        self._length = fed
        self.beams = [Beam()]
        self._finished: list[Beam] = []

    @property
    def position(self) -> int:
        """The position of every beam's newest token, which the next step feeds."""
        return self._length - 1

    def step_inputs(self) -> list[StepInput]:
        """Returns the input of the next step for each row."""
        return [self._step_input(beam) for beam in self.beams * (self._size // len(self.beams))]

    def reset_sources(self) -> None:
        """Resets `sources`, after the cache was copied."""
        self.sources = list(range(self._size))

    def advance(self, logprobs: NDArray[np.float32], tokens: NDArray[np.int64], no_speech: float) -> None:
        """Continues the beams with the candidates of a step.

        logprobs, tokens: of the likeliest tokens of each row, (beams, beams + 1), best first. no_speech: the
        probability of <|nospeech|> in the window's first row, which counts in the first step.
        """
        if self._length == self._first:
            self.no_speech = no_speech
        self._length += 1
        if self._length > len(self._start):
            self.sources = self._update(logprobs[: len(self.beams)], tokens[: len(self.beams)])
            self.done = len(self._finished) >= self._size or self._length >= self._end

    def result(self) -> DecodeResult:
        """Returns the text with the highest mean log-probability.

        If fewer than `beams` texts have ended, the likeliest unfinished ones count, too.
        """
        texts = list(self._finished)
        if len(texts) < self._size:
            order = list(np.argsort([beam.total for beam in self.beams]))[::-1]
            texts += [self.beams[index] for index in order][: self._size - len(texts)]
        # At least 1: openai-whisper divides by zero if a text is empty.
        scores = [beam.total / max(1, self._text_length(beam)) for beam in texts]
        best = texts[int(np.argmax(scores))]
        return DecodeResult(best.tokens[: self._text_length(best)], best.total, self.no_speech)

    def _update(self, logprobs: NDArray[np.float32], tokens: NDArray[np.int64]) -> list[int]:
        """Selects the best candidates that continue, and the texts that end with a better one than the last of them.

        Returns the rows that the former continue. In the first step all rows are equal and count as one beam.
        """
        totals = np.array([[beam.total] for beam in self.beams], dtype=np.float32) + logprobs
        kept: list[Beam] = []
        sources: list[int] = []
        for index in np.argsort(-totals, axis=None, kind="stable").tolist():
            source, rank = divmod(index, totals.shape[1])
            token = int(tokens[source, rank])
            total = float(totals[source, rank])
            beam = self.beams[source].with_token(token, total, token >= self._timestamp_begin)
            if token != self._eot:
                kept.append(beam)
                sources.append(source)
            elif len(self._finished) < self._size:
                self._finished.append(beam)
            if len(kept) == self._size:
                break
        self.beams = kept
        return sources

    def _step_input(self, beam: Beam) -> StepInput:
        newest, previous = self._token(beam, self.position), self._token(beam, max(0, self.position - 1))
        return StepInput(previous, newest, self.position, beam.timestamp)

    def _token(self, beam: Beam, position: int) -> int:
        sequence: Sequence[int] = self._start if position < len(self._start) else beam.tokens
        return sequence[position if position < len(self._start) else position - len(self._start)]

    def _text_length(self, beam: Beam) -> int:
        """Returns the number of the text's tokens without <|endoftext|>."""
        return len(beam.tokens) - (beam.tokens[-1] == self._eot)
