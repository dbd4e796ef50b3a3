"""From verbose_json to what the engine makes of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from transcription.engine.backend import Decoded, Vocabulary, WordTiming
from transcription.engine.types import LAST_TIMESTAMP, TIMESTAMPS_PER_SECOND
from transcription.engine.word_timing import WITHOUT_SPACES

CUT_SECONDS = 1.0
"""A segment that ends so near to its window's end may go on after it."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of an answer; seconds from the window's start."""

    start: float
    end: float
    text: str


def decoded(
    answer: Fields, seconds: float, language: str | None, vocabulary: Vocabulary, goes_on: bool = False
) -> Decoded:
    """Returns an answer as timestamps and letters.

    goes_on: whether the recording does after the window, in exact mode. Then the last of several segments is left
    open where it ends with the window, as Whisper leaves it, and the next window begins with it.
    Figures that the server leaves out are 0.0: nothing is known against the text. Raises ValueError, TypeError or
    ArithmeticError for an answer that makes no sense.
    """
    parts = parts_of(answer, seconds, language)
    tokens: list[int] = []
    for part in parts:
        begin, end = (_timestamp(at) + vocabulary.timestamp_begin for at in (part.start, part.end))
        tokens += [begin, *vocabulary.encode(part.text), end]
    if goes_on and len(parts) > 1 and parts[-1].end > seconds - CUT_SECONDS:
        tokens.pop()
    text = "".join(part.text for part in parts)
    return Decoded(tuple(tokens), text, _mean(answer, "avg_logprob"), _mean(answer, "no_speech_prob"))


def parts_of(answer: Fields, seconds: float, language: str | None) -> list[Part]:
    """Returns an answer's segments; one for the whole window where it has only a text."""
    segments: Sequence[Fields] = answer.get("segments") or [{"start": 0.0, "end": seconds, "text": answer["text"]}]
    found, latest = [], 0.0
    for segment in segments:
        start = min(max(latest, float(segment["start"])), seconds)
        latest = min(max(start, float(segment["end"])), seconds)
        if text := str(segment["text"]).strip():
            space = "" if language in WITHOUT_SPACES else " "
            found.append(Part(start, latest, space + text))
    return found


def timings(words: Sequence[Fields], text: str, vocabulary: Vocabulary) -> list[WordTiming]:
    """Returns the words of a text with the times that the server found; together they are the text.

    Signs between two words go with the one before. Raises ValueError for words of another text.
    """
    found: list[WordTiming] = []
    at = 0
    for word in words:
        spelled = str(word["word"]).strip()
        begin = text.find(spelled, at) if spelled else -1
        if begin < 0:
            raise ValueError(f"the server timed a word that its text does not have: {spelled[:40]!r}")
        between = text[at:begin]
        spaces = len(between) - len(between.rstrip())
        if found:
            found[-1].word += between[: len(between) - spaces]
        at, begin = begin + len(spelled), begin - spaces if found else 0
        probability = float(word.get("probability") or 1.0)  # which few servers tell
        found.append(WordTiming(text[begin:at], [], float(word["start"]), float(word["end"]), probability))
    if found:
        found[-1].word += text[at:]
    for timing in found:
        timing.tokens = vocabulary.encode(timing.word)
    return found


def _timestamp(seconds: float) -> int:
    return min(LAST_TIMESTAMP, max(0, round(seconds * TIMESTAMPS_PER_SECOND)))


def _mean(answer: Fields, name: str) -> float:
    figures = [float(segment[name]) for segment in answer.get("segments") or () if segment.get(name) is not None]
    return fmean(figures) if figures else 0.0
