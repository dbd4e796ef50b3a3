"""A loaded model: windows in, tokens and times of words out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from transcription.engine.backend import Decoded, Language, WordTiming, Work, alike
from transcription.engine.decode_result import DecodeResult
from transcription.engine.encodings import Encodings
from transcription.engine.mel import features
from transcription.engine.openvino_backend.alignment import align
from transcription.engine.openvino_backend.decoder import CrossKeysValues, Decoder
from transcription.engine.openvino_backend.encoder import Encoder
from transcription.engine.openvino_backend.logit_rules import LogitRules
from transcription.engine.openvino_backend.search import DecodeRequest, sample, search
from transcription.engine.short_context import token_limit
from transcription.engine.whisper_vocabulary import WhisperVocabulary
from transcription.engine.word_timing import split, timings

T = TypeVar("T")

FRAMES_PER_POSITION = 2
"""Frames of the spectrogram in one position of an encoding."""


@dataclass(slots=True)
class Heard:
    """What was made of a window: its encoding, (positions, state), and of that, at its first use, keys and values."""

    encoding: NDArray[np.float32]
    cross: CrossKeysValues | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Replica:
    """A compiled model, each half of which has threads of its own."""

    encoder: Encoder
    decoder: Decoder

    def close(self) -> None:
        """Ends the threads when their calls have ended."""
        self.encoder.streams.shutdown(wait=False)
        self.decoder.streams.shutdown(wait=False)


class OpenvinoModel:
    """A BatchModel. `pool` answers all calls, unless there is an `urgent` one for the works that are so."""

    def __init__(self, pool: Replica, urgent: Replica | None, vocabulary: WhisperVocabulary) -> None:
        self.vocabulary = vocabulary
        self._replicas: tuple[Replica, Replica] | None = (pool, urgent or pool)
        self._rules = LogitRules(vocabulary)
        self._context = pool.decoder.context
        self._encodings: Encodings[NDArray[np.float32]] = Encodings()

    def encode(self, works: Sequence[Work]) -> None:
        self._encodings.encode(works, self._encoded, Heard)

    def detect(self, works: Sequence[Work]) -> list[Language]:
        if not self.vocabulary.multilingual:
            return [Language("en", 1.0) for _ in works]
        return [self._run([work], self._detect) for work in works]

    def batch_key(self, work: Work) -> Hashable:
        return alike(work)

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        requests = [self._request(work) for work in works]
        temperature, beams = works[0].temperature, works[0].beams

        def decode(decoder: Decoder, cross: CrossKeysValues) -> list[DecodeResult]:
            texts = decoder.texts(cross)
            if beams > 1:
                return search(texts, requests, beams, self._rules)
            return sample(texts, requests, temperature, self._rules)

        return [result.decoded(self.vocabulary) for result in self._run(works, decode)]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        return [self._aligned(work, list(text)) if text else [] for work, text in zip(works, texts, strict=True)]

    def close(self) -> None:
        for replica in self._replicas or ():
            replica.close()
        self._replicas = None

    def _encoded(self, works: Sequence[Work]) -> NDArray[np.float32]:
        encoder = self._replica(works).encoder
        return encoder(np.stack([features(work.window, encoder.n_mels) for work in works]))

    def _replica(self, works: Sequence[Work]) -> Replica:
        assert self._replicas is not None, "it is closed"
        return self._replicas[works[0].urgent]

    def _run(self, works: Sequence[Work], call: Callable[[Decoder, CrossKeysValues], T]) -> T:
        """Calls a function with the keys and values of some windows, in a thread of the decoder's."""
        replica = self._replica(works)

        def run() -> T:
            cross = [_cross(work, replica.decoder) for work in works]
            return call(replica.decoder, CrossKeysValues.joined(cross))

        return replica.decoder.streams.submit(run).result()

    def _detect(self, decoder: Decoder, cross: CrossKeysValues) -> Language:
        tokens = self.vocabulary.language_tokens
        logits = decoder.texts(cross).feed([[self.vocabulary.sot]])[0, 0, list(tokens.values())]
        exponentials = np.exp(logits - logits.max())
        return Language.likeliest(dict(zip(tokens, (exponentials / exponentials.sum()).tolist(), strict=True)))

    def _request(self, work: Work) -> DecodeRequest:
        window, start = work.window, tuple(self.vocabulary.start_of(work))
        known = start[-1:] if window.tail else ()
        limit, context = token_limit(window), self._context
        # One token more than is allowed shows that there are too many.
        most = context // 2 if limit is None else limit + 1
        end = min(len(start) + most, context + 1)
        return DecodeRequest(start, start.index(self.vocabulary.sot), known, end, work.seed)

    def _aligned(self, work: Work, text: list[int]) -> list[WordTiming]:
        vocabulary = self.vocabulary
        positions = max(1, work.window.sounding_frames // FRAMES_PER_POSITION)

        def aligned(decoder: Decoder, cross: CrossKeysValues) -> tuple[list[int], list[float]]:
            sequence = [*vocabulary.sequence(work.language, work.options.task), vocabulary.no_timestamps]
            return align(decoder.texts(cross), sequence, text, vocabulary.eot, positions)

        arrivals, chances = self._run([work], aligned)
        return timings(split(text, work.language, vocabulary), arrivals, chances)


def _cross(work: Work, decoder: Decoder) -> CrossKeysValues:
    if not isinstance(work.encoding, Heard):
        raise TypeError("the window was not encoded")
    if work.encoding.cross is None:
        work.encoding.cross = decoder.cross_keys_values(work.encoding.encoding)
    return work.encoding.cross
