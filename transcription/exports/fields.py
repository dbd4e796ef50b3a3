"""What a transcription says in JSON: OpenAI's verbose_json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transcription.media.warnings import warnings_of
from transcription.models import Segment, Task, Transcription
from transcription.options.audio_tracks import numbered as tracks_of
from transcription.options.languages import LANGUAGES


def verbose_json(transcription: Transcription, segments: Iterable[Segment]) -> dict[str, Any]:
    """The dictionary of OpenAI's verbose_json, without `usage`."""
    return {
        "task": transcription.task,
        "language": LANGUAGES.get(text_language(transcription), ""),
        "duration": round(transcription.recording.duration_seconds, 3),
        "text": transcription.text,
        "segments": [segment_fields(segment) for segment in segments],
    } | extra_fields(transcription)


def extra_fields(transcription: Transcription) -> dict[str, Any]:
    """What OpenAI has no place for: warnings, and of several audio tracks the one that was taken."""
    warned = warnings_of(transcription)
    tracks = tracks_of(transcription.recording)
    taken = {"audio_track": transcription.audio_track_taken, "audio_tracks": tracks} if len(tracks) > 1 else {}
    return taken | ({"warnings": warned} if warned else {})


def spoken_words(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """The `words` of OpenAI's verbose_json: with their punctuation, without the space before them."""
    words = (word for segment in segments for word in segment.words)
    return [{"word": word["word"].strip(), "start": word["start"], "end": word["end"]} for word in words]


def spoken_language(transcription: Transcription) -> str:
    """The code of the language of the audio."""
    return transcription.detected_language or transcription.language


def text_language(transcription: Transcription) -> str:
    """The code of the language of the text."""
    return "en" if transcription.task == Task.TRANSLATE else spoken_language(transcription)


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
