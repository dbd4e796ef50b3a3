"""Turns a decoded window into segments and, in exact mode, into the start and the prompt of the next window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from transcription.engine.backend import Decoded, Language, Vocabulary, WordTiming, Work
from transcription.engine.fallback import PROMPT_RESET_TEMPERATURE, is_confident, is_silence
from transcription.engine.prompts import MAX_PROMPT_TOKENS, context_of
from transcription.engine.segments import (
    SECONDS_PER_TIMESTAMP,
    SegmentDraft,
    TokenSplit,
    split_exactly,
    split_fast,
    without_non_speech,
)
from transcription.engine.types import FRAMES_PER_SECOND, Segment, WindowResult
from transcription.engine.words import add_words, last_word_end, text_tokens


class WindowTranscript:
    """The segments of a decoded window.

    The caller calls `add_words`, where `text` is not empty, before `result`.
    """

    def __init__(self, work: Work, decoded: Decoded, vocabulary: Vocabulary) -> None:
        self.work = work
        self._decoded = decoded
        self._vocabulary = vocabulary
        self._offset = work.window.start
        self._last_speech = work.window.passage.last_speech if work.window.passage else self._offset
        self._split = self._without_non_speech()
        self._end = self._following(self._split.advance)
        wanted = work.options.prefers_words or work.window.times_words
        self._lacks_words = work.options.word_timestamps or (wanted and vocabulary.is_whispers)

    @property
    def text(self) -> list[int]:
        """The tokens whose words are to be timed; empty where no word times are wanted or nothing was said."""
        return text_tokens(self._split.drafts, self._vocabulary.eot) if self._lacks_words else []

    def add_words(self, timings: list[WordTiming]) -> None:
        """Gives the segments their words. timings: the alignment of `text`."""
        self._lacks_words = False
        drafts = self._split.drafts
        add_words(drafts, timings, self._vocabulary.eot, self._offset, self._last_speech)
        spoken_until = last_word_end(drafts)
        if spoken_until is None:
            return
        self._last_speech = spoken_until
        if not self._split.finished and spoken_until > self._offset:
            passage = self.work.window.passage
            latest = self._following(passage.frames if passage else 0)
            self._end = min(max(round(spoken_until * FRAMES_PER_SECOND), self._following(1)), latest)

    def result(self, language: Language, model_version: str) -> WindowResult:
        if self._lacks_words:
            # The timestamps of a window without text determine where the next window begins.
            self.add_words([])
        window = self.work.window
        kept = [draft for draft in self._split.drafts if not draft.is_empty]
        exact = window.passage is not None
        return WindowResult(
            index=window.index,
            start=window.start,
            end=self._end / FRAMES_PER_SECOND if exact else window.end,
            language=language.code,
            language_probability=language.probability,
            segments=tuple(self._segment(draft) for draft in kept),
            model_version=model_version,
            context=self._context(kept) if exact else (),
            last_speech=self._last_speech,
            encoder_frames=window.encoder_frames,
        )

    def _without_non_speech(self) -> TokenSplit:
        split = self._split_tokens()
        window = self.work.window
        if window.is_doubted:
            return split
        return replace(split, drafts=without_non_speech(split.drafts, window.non_speech))

    @property
    def _is_silence(self) -> bool:
        return not is_confident(self._decoded) if self.work.window.is_doubted else is_silence(self._decoded)

    def _split_tokens(self) -> TokenSplit:
        window = self.work.window
        if window.passage is None:
            drafts = [] if self._is_silence else self._fast_drafts()
            return TokenSplit(drafts, advance=0, finished=True)
        if self._is_silence:
            return TokenSplit([], advance=window.passage.frames, finished=True)
        split = split_exactly(self._decoded.tokens, self._following(0), window.passage.frames, self._vocabulary)
        # A window may be shorter than 30 s while its timestamps reach up to 30 s.
        return replace(split, advance=min(split.advance, window.passage.frames))

    def _fast_drafts(self) -> list[SegmentDraft]:
        window = self.work.window
        after = window.tail.after * SECONDS_PER_TIMESTAMP if window.tail else 0.0
        return split_fast(self._decoded.tokens, window.start, window.end - window.start, self._vocabulary, after)

    def _following(self, frames: int) -> int:
        """Returns the frame that is so many frames after the window's first one."""
        return round(self._offset * FRAMES_PER_SECOND) + frames

    def _context(self, kept: Sequence[SegmentDraft]) -> tuple[int, ...]:
        """Returns the tokens that prompt the next window."""
        before = context_of(self.work, self._vocabulary)
        if not self._split.drafts:
            return before
        if self.work.temperature > PROMPT_RESET_TEMPERATURE:
            return ()
        tokens = (token for draft in kept for token in draft.tokens)
        return (*before, *tokens)[-MAX_PROMPT_TOKENS:]

    def _segment(self, draft: SegmentDraft) -> Segment:
        return Segment(
            start=round(draft.start, 3),
            end=round(draft.end, 3),
            text=draft.text,
            tokens=draft.tokens if self._vocabulary.is_whispers else (),
            temperature=self.work.temperature,
            avg_logprob=self._decoded.avg_logprob,
            compression_ratio=self._decoded.compression_ratio,
            no_speech_prob=self._decoded.no_speech_prob,
            seek=self._following(0),
            words=tuple(
                replace(
                    word,
                    start=round(word.start, 3),
                    end=round(word.end, 3),
                    joint_probability=round(word.joint_probability, 6),
                )
                for word in draft.words
            ),
        )
