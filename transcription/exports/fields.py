"""The fields of a transcription in OpenAI's verbose_json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transcription.exports.speakers import UNNAMED, Names, name_of, names_of
from transcription.media.warnings import warnings_of
from transcription.models import Segment, Task, Transcription
from transcription.options.audio_tracks import numbered as tracks_of
from transcription.options.languages import LANGUAGES


def verbose_json(transcription: Transcription, segments: Iterable[Segment]) -> dict[str, Any]:
    """Returns the dictionary of OpenAI's verbose_json without `usage`."""
    names = names_of(transcription)
    return {
        "task": transcription.task,
        "language": LANGUAGES.get(text_language(transcription), ""),
        "duration": round(transcription.recording.duration_seconds, 3),
        "text": transcription.text,
        "segments": [segment_fields(segment, names) for segment in segments],
    } | extra_fields(transcription)


def extra_fields(transcription: Transcription) -> dict[str, Any]:
    """Returns the fields that OpenAI doesn't have: warnings and, of several audio tracks, the transcribed one."""
    warned = warnings_of(transcription)
    tracks = tracks_of(transcription.recording)
    taken = {"audio_track": transcription.audio_track_taken, "audio_tracks": tracks} if len(tracks) > 1 else {}
    return taken | ({"warnings": warned} if warned else {})


def spoken_words(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """Returns the `words` of OpenAI's verbose_json: with punctuation, without leading spaces."""
    words = (word for segment in segments for word in segment.words)
    return [{"word": word["word"].strip(), "start": word["start"], "end": word["end"]} for word in words]


def spoken_language(transcription: Transcription) -> str:
    """Returns the language code of the audio."""
    return transcription.detected_language or transcription.language


def text_language(transcription: Transcription) -> str:
    """Returns the language code of the text."""
    return "en" if transcription.task == Task.TRANSLATE else spoken_language(transcription)


def segment_fields(segment: Segment, names: Names = UNNAMED) -> dict[str, Any]:
    """Returns OpenAI's fields, and where speakers were told apart `speaker` and `overlap`."""
    spoken = {"speaker": name_of(segment, names) or None, "overlap": segment.overlap} if names else {}
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
    } | spoken
