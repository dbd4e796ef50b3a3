"""An open model of openai-whisper."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingTask, LogitFilter, detect_language
from whisper.model import Whisper
from whisper.timing import find_alignment
from whisper.tokenizer import Tokenizer

from transcription.engine.backend import Decoded, Language, WordTiming, Work
from transcription.engine.mel import features
from transcription.engine.torch_backend.errors import translated_errors
from transcription.engine.torch_backend.vocabulary import tokenizer_of, vocabulary_of
from transcription.engine.types import TIMESTAMPS_PER_SECOND, Tail


class WhisperModel:
    """A BatchModel. It has one decoder's hooks and caches, and so one call at a time."""

    def __init__(self, whisper: Whisper, in_half: bool) -> None:
        self.vocabulary = vocabulary_of(whisper.dims)
        self._whisper: Whisper | None = whisper
        self._in_half = in_half
        self._alone = threading.Lock()

    def encode(self, works: Sequence[Work]) -> None:
        """Sets the `encoding`, (1500, state), of works without one. openai-whisper hears all 30 s."""
        for work in works:
            if work.encoding is None:
                if work.window.is_short:
                    work.hear_in_full()
                with translated_errors(), torch.inference_mode(), self._alone:
                    work.encoding = self._model.encoder(self._mel(work)[None])[0]

    def detect(self, works: Sequence[Work]) -> list[Language]:
        if not self._model.is_multilingual:
            return [Language("en", 1.0) for _ in works]
        with translated_errors(), self._alone:
            _, found = detect_language(self._model, _encodings(works))
        return [Language.likeliest(chances) for chances in found]

    def batch_key(self, work: Work) -> Hashable:
        return work.temperature, work.beams, work.prompt, work.language, work.options.task, work.window.tail

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        first = works[0]
        tail = first.window.tail
        options = DecodingOptions(
            task=first.options.task,
            language=first.language,
            temperature=first.temperature,
            beam_size=first.beams if first.beams > 1 else None,
            prompt=list(first.prompt) or None,
            # A tail begins with its timestamp: none that is later, and (_NotBefore) none that is earlier.
            max_initial_timestamp=tail.after / TIMESTAMPS_PER_SECOND if tail and tail.after else 1.0,
            fp16=self._in_half,
        )
        with translated_errors(), self._alone:
            torch.manual_seed(first.seed)
            # With beams openai-whisper takes one window at a time.
            parts = [[work] for work in works] if first.beams > 1 else [works]
            results = [one for part in parts for one in self._task(options, tail).run(_encodings(part))]
        return [Decoded(tuple(one.tokens), one.text, one.avg_logprob, one.no_speech_prob) for one in results]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        return [self._aligned(work, list(text)) for work, text in zip(works, texts, strict=True)]

    def close(self) -> None:
        self._whisper = None
        if self._in_half:
            torch.cuda.empty_cache()

    @property
    def _model(self) -> Whisper:
        assert self._whisper is not None, "it is closed"
        return self._whisper

    def _task(self, options: DecodingOptions, tail: Tail | None) -> DecodingTask:
        task = DecodingTask(self._model, options)
        if tail:
            begin = self.vocabulary.timestamp_begin
            task.logit_filters.insert(0, _NotBefore(begin, begin + tail.after))
        return task

    def _mel(self, work: Work) -> Tensor:
        mel = torch.from_numpy(features(work.window, self._model.dims.n_mels)).to(self._model.device)
        return mel.half() if self._in_half else mel

    def _aligned(self, work: Work, text: list[int]) -> list[WordTiming]:
        tokenizer: Tokenizer = tokenizer_of(self._model.dims, work.language, work.options.task)
        with translated_errors(), self._alone:
            found = find_alignment(self._model, tokenizer, text, self._mel(work), work.window.sounding_frames)
        return [WordTiming(one.word, one.tokens, float(one.start), float(one.end), one.probability) for one in found]


class _NotBefore(LogitFilter):  # type: ignore[misc] # whisper has no types
    """Lets no timestamp be sampled that comes before a tail."""

    def __init__(self, begin: int, end: int) -> None:
        self._before = slice(begin, end)

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        logits[:, self._before] = -torch.inf


def _encodings(works: Sequence[Work]) -> Tensor:
    """(works, 1500, state)."""
    return torch.stack([work.encoding for work in works if isinstance(work.encoding, Tensor)])
