"""Beam search over one window, on the host: whisper.decoding 20250625's BeamSearchDecoder,
with its order of ties, and MaximumLikelihoodRanker without a length penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcription.engine.torch_backend.decode_request import DecodeRequest, DecodeResult
from transcription.engine.torch_backend.state import NO_TIMESTAMP
from transcription.engine.torch_backend.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Beam:
    """A text so far: what was sampled, the logarithm of each token's probability, their sum as
    float32 adds them up, and the last timestamp."""

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    total: float = 0.0
    timestamp: int = NO_TIMESTAMP

    def with_token(self, token: int, logprob: float, total: float, is_timestamp: bool) -> Beam:
        timestamp = token if is_timestamp else self.timestamp
        return Beam((*self.tokens, token), (*self.logprobs, logprob), total, timestamp)


@dataclass(frozen=True, slots=True)
class Fed:
    """What a beam is fed: the newest token and its position, the token before, the last timestamp."""

    previous: int
    newest: int
    position: int
    timestamp: int


class Search:
    """The beams of a window. At its start tokens there is one, which all rows repeat.

    end: tokens there may be in all. candidates: finished texts that are enough to stop.
    sources: for each row, the row whose text it goes on with; whoever sees to that forgets it by `settle`.
    """

    def __init__(self, request: DecodeRequest, end: int, beams: int, candidates: int, vocabulary: Vocabulary) -> None:
        self.no_speech = 0.0
        self.done = False
        self._start = request.start.tokens
        self._sot_index = request.start.sot_index
        self._end = end
        self._size = beams
        self.sources = list(range(beams))
        self._candidates = candidates
        self._vocabulary = vocabulary
        self._length = request.start.sot_index + 1
        self._beams = [Beam()]
        self._finished: list[Beam] = []

    @property
    def position(self) -> int:
        """Of the newest token of every beam, which the next step feeds."""
        return self._length - 1

    def fed(self) -> list[Fed]:
        """For each of the rows."""
        return [self._fed(beam) for beam in self._beams * (self._size // len(self._beams))]

    def settle(self) -> None:
        """The rows have what `sources` asked for."""
        self.sources = list(range(self._size))

    def advance(self, logprobs: NDArray[np.float32], tokens: NDArray[np.int64], no_speech: float) -> None:
        """Take in what a step found: the likeliest tokens of each row, (beams, beams + 1), best first."""
        if self.position == self._sot_index:
            self.no_speech = no_speech
        self._length += 1
        if self._length > len(self._start):
            self.sources = self._update(logprobs[: len(self._beams)], tokens[: len(self._beams)])
            self.done = len(self._finished) >= self._candidates or self._length >= self._end

    def result(self) -> DecodeResult:
        """The likeliest text by its mean, those that have not ended counted where too few have."""
        texts = list(self._finished)
        if len(texts) < self._size:
            order = list(np.argsort([beam.total for beam in self._beams]))[::-1]
            texts += [self._beams[index] for index in order][: self._size - len(texts)]
        # At least 1: openai-whisper divides by zero where a text may be empty.
        scores = [beam.total / max(1, self._words(beam)) for beam in texts]
        best = texts[int(np.argmax(scores))]
        length = self._words(best)
        return DecodeResult(best.tokens[:length], best.logprobs[:length], best.total, self.no_speech)

    def _update(self, logprobs: NDArray[np.float32], tokens: NDArray[np.int64]) -> list[int]:
        """Keep the best candidates that go on, and those better than the last of them that end;
        returns the rows that the former go on from.

        Only the first step has equal beams, whose candidates count once; there is one beam then.
        """
        totals = np.array([[beam.total] for beam in self._beams], dtype=np.float32) + logprobs
        kept: list[Beam] = []
        sources: list[int] = []
        for index in np.argsort(-totals, axis=None, kind="stable").tolist():
            source, rank = divmod(index, totals.shape[1])
            token = int(tokens[source, rank])
            is_timestamp = token >= self._vocabulary.timestamp_begin
            logprob, total = float(logprobs[source, rank]), float(totals[source, rank])
            beam = self._beams[source].with_token(token, logprob, total, is_timestamp)
            if token != self._vocabulary.eot:
                kept.append(beam)
                sources.append(source)
            elif len(self._finished) < self._candidates:
                self._finished.append(beam)
            if len(kept) == self._size:
                break
        self._beams = kept
        return sources

    def _fed(self, beam: Beam) -> Fed:
        newest, previous = self._token(beam, self.position), self._token(beam, max(0, self.position - 1))
        return Fed(previous, newest, self.position, beam.timestamp)

    def _token(self, beam: Beam, position: int) -> int:
        sequence: Sequence[int] = self._start if position < len(self._start) else beam.tokens
        return sequence[position if position < len(self._start) else position - len(self._start)]

    def _words(self, beam: Beam) -> int:
        """Tokens of the text, its end left out."""
        return len(beam.tokens) - (beam.tokens[-1] == self._vocabulary.eot)
