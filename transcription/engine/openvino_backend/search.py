"""Decodes windows greedily, by sampling, or with beams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from transcription.engine.beam_search import Search
from transcription.engine.decode_result import DecodeResult
from transcription.engine.openvino_backend.decoder import Texts
from transcription.engine.openvino_backend.logit_rules import LogitRules, logsumexp

Features = NDArray[np.float32]

DONE_SHARE = 4
"""Where one in so many windows of a batch is done, the others go on in a smaller one: to move them takes as long as a
fraction of a step."""


class _Decoding(Protocol):
    done: bool


D = TypeVar("D", bound=_Decoding)


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """A window to decode.

    start: the tokens before the first sampled one, as many in all windows of a batch. sot: the index of
    <|startoftranscript|> among them. known: those at their end that count as sampled. end: the most tokens, start
    tokens included. seed: of the sampling; one seed gives one result.
    """

    start: tuple[int, ...]
    sot: int
    known: tuple[int, ...]
    end: int
    seed: int


class _Text:
    """A text that is being sampled."""

    def __init__(self, request: DecodeRequest, no_speech: float, eot: int) -> None:
        self.tokens: list[int] = []
        self.done = False
        self._request = request
        self._no_speech = no_speech
        self._eot = eot
        self._sum_logprob = 0.0
        self._random = np.random.default_rng(request.seed)

    def append(self, logits: Features, temperature: float, rules: LogitRules) -> None:
        """Samples the next token. logits: (vocabulary,); is changed."""
        rules(logits, [*self._request.known, *self.tokens])
        chosen = int(np.argmax(logits))
        if temperature > 0:
            # The Gumbel-max trick: argmax(x / temperature + noise) has the distribution softmax(x / temperature).
            chosen = int(np.argmax(logits / temperature + self._random.gumbel(size=len(logits))))
        self.tokens.append(chosen)
        self._sum_logprob += float(logits[chosen]) - logsumexp(logits)
        self.done = chosen == self._eot or len(self._request.start) + len(self.tokens) >= self._request.end

    def result(self) -> DecodeResult:
        length = len(self.tokens) - (self.tokens[-1] == self._eot)
        return DecodeResult(tuple(self.tokens[:length]), self._sum_logprob, self._no_speech)


def sample(
    texts: Texts, requests: Sequence[DecodeRequest], temperature: float, rules: LogitRules
) -> list[DecodeResult]:
    """Returns the results of a batch: the likeliest tokens at temperature 0, else sampled ones.

    As GreedyDecoder in whisper.decoding of openai-whisper 20250625.
    """
    logits = _feed_starts(texts, requests)
    found = [
        _Text(request, _no_speech(row[0], rules), rules.vocabulary.eot)
        for request, row in zip(requests, logits, strict=True)
    ]
    fed = list(found)
    while True:
        for text, row in zip(fed, logits, strict=True):
            if not text.done:
                text.append(row[-1], temperature, rules)
        if all(text.done for text in fed):
            return [text.result() for text in found]
        fed = _without_done(texts, fed)
        logits = texts.feed([text.tokens[-1:] for text in fed])


def search(texts: Texts, requests: Sequence[DecodeRequest], beams: int, rules: LogitRules) -> list[DecodeResult]:
    """Returns the results of a batch, each found with so many beams, as openai-whisper finds them."""
    eot, timestamp_begin = rules.vocabulary.eot, rules.vocabulary.timestamp_begin
    logits = _feed_starts(texts, requests)
    found = [
        Search(request.start, len(request.start), request.end, beams, eot, timestamp_begin) for request in requests
    ]
    known = dict(zip(found, (request.known for request in requests), strict=True))
    for one, row in zip(found, logits, strict=True):
        one.advance(*_likeliest(row[-1:], [known[one]], beams, rules), _no_speech(row[0], rules))
        one.reset_sources()
    texts.repeat(beams)
    fed = list(found)
    while not all(one.done for one in fed):
        fed = _without_done(texts, fed)
        sources = [at * beams + source for at, one in enumerate(fed) for source in one.sources]
        logits = texts.feed([beam.tokens[-1:] for one in fed for beam in one.beams], sources)[:, -1]
        for one, rows in zip(fed, np.split(logits, len(fed)), strict=True):
            one.reset_sources()
            if not one.done:
                sampled = [[*known[one], *beam.tokens] for beam in one.beams]
                one.advance(*_likeliest(rows, sampled, beams, rules), 0.0)
    return [one.result() for one in found]


def _feed_starts(texts: Texts, requests: Sequence[DecodeRequest]) -> Features:
    """Returns the logits at <|startoftranscript|> and after the last start token, (windows, 2, vocabulary)."""
    starts = [request.start for request in requests]
    return texts.feed(starts, range(len(starts)), (requests[0].sot, len(starts[0]) - 1))


def _without_done(texts: Texts, fed: list[D]) -> list[D]:
    """Returns the windows to feed: without those that are done, where these are many enough to move the others."""
    running = [at for at, one in enumerate(fed) if not one.done]
    if (len(fed) - len(running)) * DONE_SHARE < len(fed):
        return fed
    behind = [at for at in running if at >= len(running)]
    places = [behind.pop() if fed[at].done else at for at in range(len(running))]
    texts.keep(places)
    return [fed[place] for place in places]


def _no_speech(logits: Features, rules: LogitRules) -> float:
    return math.exp(float(logits[rules.vocabulary.no_speech]) - logsumexp(logits))


def _likeliest(
    logits: Features, sampled: Sequence[Sequence[int]], beams: int, rules: LogitRules
) -> tuple[Features, NDArray[np.int64]]:
    """Returns the log-probabilities of the likeliest tokens of each text and the tokens, (texts, beams + 1)."""
    for row, before in zip(logits, sampled, strict=True):
        rules(row, before)
    best = np.argpartition(logits, -beams - 1, axis=-1)[:, -beams - 1 :]
    order = np.argsort(-np.take_along_axis(logits, best, -1), axis=-1, kind="stable")
    best = np.take_along_axis(best, order, -1)
    totals = np.array([[logsumexp(row)] for row in logits], np.float32)
    return np.take_along_axis(logits, best, -1) - totals, best
