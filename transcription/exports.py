"""A transcript as a file: txt, srt, vtt, json, tsv. One small writer a format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from transcription import retention
from transcription.languages import LANGUAGES
from transcription.models import Segment, Transcription

WEBVTT_HEAD = "WEBVTT\n\n"


class TextDeleted(Exception):
    """The tenant's retention has deleted the text. The message says so to people."""


@dataclass(frozen=True)
class Export:
    content_type: str
    body: str
    file_name: str


def render(transcription: Transcription, format: str) -> Export:
    """Raises KeyError for an unknown format, and TextDeleted."""
    content_type, write = WRITERS[format]
    if transcription.text_deleted_at is not None:
        raise TextDeleted(retention.why_no_text(transcription))
    segments = list(transcription.segments.all())
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", transcription.recording.name) or "transcript"
    return Export(content_type, write(transcription, segments), f"{stem}.{format}")


def plain_text(segments: Iterable[Segment]) -> str:
    """A segment a line, as openai-whisper's WriteTXT has it."""
    return "".join(f"{segment.text.strip()}\n" for segment in segments)


def subrip(segments: Iterable[Segment], first: int = 1) -> str:
    """SubRip: cues numbered from `first`, comma before the milliseconds."""
    return "".join(
        f"{number}\n{clock(segment.start, ',')} --> {clock(segment.end, ',')}\n{_one_cue(segment.text)}\n\n"
        for number, segment in enumerate(segments, start=first)
    )


def webvtt(segments: Iterable[Segment]) -> str:
    """WebVTT (W3C): `&`, `<` and `>` are escaped, so that text stays text."""
    cues = (
        f"{clock(segment.start, '.')} --> {clock(segment.end, '.')}\n{escape(_one_cue(segment.text), quote=False)}\n\n"
        for segment in segments
    )
    return WEBVTT_HEAD + "".join(cues)


def tabular(segments: Iterable[Segment]) -> str:
    """start, end in milliseconds and text, tab-separated; a cell never starts like a formula."""
    rows = (f"{round(s.start * 1000)}\t{round(s.end * 1000)}\t{_cell(s.text)}\n" for s in segments)
    return "start\tend\ttext\n" + "".join(rows)


def verbose(transcription: Transcription, segments: Iterable[Segment]) -> dict[str, Any]:
    """The dictionary of OpenAI's verbose_json, without `usage`."""
    return {
        "task": transcription.task,
        "language": LANGUAGES.get(spoken_language(transcription), ""),
        "duration": round(transcription.recording.duration_seconds, 3),
        "text": transcription.text,
        "segments": [segment_fields(segment) for segment in segments],
    }


def spoken_words(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """The `words` of OpenAI's verbose_json: with their punctuation, without the space before them."""
    words = (word for segment in segments for word in segment.words)
    return [{"word": word["word"].strip(), "start": word["start"], "end": word["end"]} for word in words]


def spoken_language(transcription: Transcription) -> str:
    """The code of the language of the audio."""
    return transcription.detected_language or transcription.language


def segment_fields(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.index,
        "seek": segment.seek,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def clock(seconds: float, separator: str) -> str:
    """`01:02:03.456` with the given character before the milliseconds."""
    milliseconds = round(max(0.0, seconds) * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{separator}{rest:03d}"


def _one_cue(text: str) -> str:
    """Text that can't end its cue or start another: one line, and no arrow that looks like a timing."""
    return re.sub(r"-{2,}>", "->", " ".join(text.split()))


def _cell(text: str) -> str:
    flat = re.sub(r"[\t\r\n]+", " ", text).strip()
    return f"'{flat}" if flat[:1] in "=+-@" and flat else flat


def _json(transcription: Transcription, segments: list[Segment]) -> str:
    body = verbose(transcription, ()) | {"segments": [_with_words(segment) for segment in segments]}
    return json.dumps(body, ensure_ascii=False, indent=2)


def _with_words(segment: Segment) -> dict[str, Any]:
    """As openai-whisper's JSON has it: `words` only where they were timed, each with its leading space."""
    return segment_fields(segment) | ({"words": segment.words} if segment.words else {})


Writer = Callable[[Transcription, list[Segment]], str]
WRITERS: dict[str, tuple[str, Writer]] = {
    "txt": ("text/plain; charset=utf-8", lambda _transcription, segments: plain_text(segments)),
    "srt": ("application/x-subrip; charset=utf-8", lambda _transcription, segments: subrip(segments)),
    "vtt": ("text/vtt; charset=utf-8", lambda _transcription, segments: webvtt(segments)),
    "json": ("application/json", _json),
    "tsv": ("text/tab-separated-values; charset=utf-8", lambda _transcription, segments: tabular(segments)),
}
