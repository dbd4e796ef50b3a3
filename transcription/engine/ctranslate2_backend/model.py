"""A loaded model: windows in, tokens and times of words out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, cast

import ctranslate2
import numpy as np

from transcription.engine.backend import Decoded, Language, WordTiming, Work, alike, by_encoder_frames
from transcription.engine.ctranslate2_backend.memory import Encoding, Memory
from transcription.engine.encodings import Encodings
from transcription.engine.library_errors import translated
from transcription.engine.median import WIDTH
from transcription.engine.mel import features
from transcription.engine.short_context import token_limit
from transcription.engine.whisper_vocabulary import WhisperVocabulary
from transcription.engine.word_timing import split, timings

MAX_LENGTH, MOST_SAMPLED = 448, 224
"""Whisper's tokens in all, and those that are sampled at most."""

FRAMES_PER_STEP = 2
"""Frames of the spectrogram in one step of the encoder's output, which an alignment needs at least."""


class Ctranslate2Model:
    """A BatchModel.

    `pool` answers all calls, unless there is an `urgent` one for the works that are so. Both are
    `ctranslate2.models.Whisper` with the same weights. CTranslate2 queues calls beyond its threads.
    """

    def __init__(self, pool: Any, urgent: Any | None, vocabulary: WhisperVocabulary, memory: Memory) -> None:
        """memory: where the encodings stay."""
        self.vocabulary = vocabulary
        self._memory = memory
        self._pool: Any | None = pool
        self._urgent = urgent
        self._n_mels = int(pool.n_mels)
        self._encodings: Encodings[Encoding] = Encodings()

    def encode(self, works: Sequence[Work]) -> None:
        """Sets the `encoding`, (encoder_frames // 2, state) in the memory that it stays in."""
        self._encodings.encode(works, self._encoded, lambda encoding: encoding)

    def detect(self, works: Sequence[Work]) -> list[Language]:
        if not self.vocabulary.multilingual:
            return [Language("en", 1.0) for _ in works]
        found: dict[Work, Language] = {}
        for some in by_encoder_frames(works):
            with translated():
                ranked = self._model(some).detect_language(self._gathered(some))
            for work, ranking in zip(some, ranked, strict=True):
                found[work] = Language.likeliest({token[2:-2]: float(chance) for token, chance in ranking})
        return [found[work] for work in works]

    def batch_key(self, work: Work) -> Hashable:
        return alike(work)

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        beams, temperature = works[0].beams, works[0].temperature
        starts = [self.vocabulary.start_of(work) for work in works]
        with translated():
            generated = self._model(works).generate(
                self._gathered(works),
                starts,
                beam_size=beams,
                max_length=_max_length(works, max(map(len, starts))),
                # Beams are ranked as openai-whisper ranks them: by the sum over the tokens, the end left out.
                # A single one needs no rank, and keeps its sum.
                length_penalty=1.0 if beams > 1 else 0.0,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=self.vocabulary.suppressed,
                # A tail begins with its timestamp, after which the text may end.
                suppress_blank=works[0].window.tail is None,
                sampling_topk=0 if temperature > 0 else 1,
                sampling_temperature=temperature,
            )
        return [self._decoded(result, beams) for result in generated]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        # One at a time: CTranslate2 would let a batch's padding into its means and deviations, and takes one language
        # and one task.
        return [self._aligned(work, list(text)) for work, text in zip(works, texts, strict=True)]

    def close(self) -> None:
        self._pool = self._urgent = None

    def _model(self, works: Sequence[Work]) -> Any:
        model = self._urgent if self._urgent is not None and works[0].urgent else self._pool
        assert model is not None, "it is closed"
        return model

    def _encoded(self, works: Sequence[Work]) -> list[Encoding]:
        """Encodes one window at a time on a CPU: several don't fit its caches, which costs a sixth."""
        model, mels = self._model(works), np.stack([features(work.window, self._n_mels) for work in works])
        step = 1 if model.device == "cpu" else len(mels)
        parts = np.split(mels, range(step, len(mels), step))
        found: list[Encoding] = []
        with translated():
            for part in parts:
                view = model.encode(ctranslate2.StorageView.from_array(part), to_cpu=self._memory.is_host)
                found += self._memory.taken_apart(view)
        return found

    def _gathered(self, works: Sequence[Work]) -> ctranslate2.StorageView:
        """(works, positions, state)."""
        return self._memory.gathered([cast("Encoding", work.encoding) for work in works])

    def _decoded(self, result: Any, beams: int) -> Decoded:
        tokens: list[int] = result.sequences_ids[0]
        total = result.scores[0] * (len(tokens) if beams > 1 else 1)
        return Decoded(tuple(tokens), self.vocabulary.decode(tokens), total / (len(tokens) + 1), result.no_speech_prob)

    def _aligned(self, work: Work, text: list[int]) -> list[WordTiming]:
        if not text:
            return []
        frames = max(FRAMES_PER_STEP, work.window.sounding_frames)
        with translated():
            (result,) = self._model([work]).align(
                self._gathered([work]),
                self.vocabulary.sequence(work.language, work.options.task),
                [text],
                frames,
                median_filter_width=WIDTH,
            )
        arrivals = [0] * (len(text) + 1)
        # Of several steps of one token the first counts. If all are alike, the path may begin before the first one.
        for token, step in reversed(result.alignments):
            arrivals[token] = max(0, step)
        return timings(split(text, work.language, self.vocabulary), arrivals, result.text_token_probs)


def _max_length(works: Sequence[Work], start: int) -> int:
    """Returns CTranslate2's limit, of which it samples half at most and no more than `start` leaves of it.

    start: the length of what comes before the sampled tokens. With a short context one token more than is allowed may
    be sampled, which shows that there are too many.
    """
    limit = max(token_limit(work.window) or MOST_SAMPLED for work in works) + 1
    return min(MAX_LENGTH, max(2 * limit, start + limit))
