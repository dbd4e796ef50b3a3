"""Recordings and their transcriptions."""

from __future__ import annotations

from typing import TypedDict

from portal.api.native.schemas.failures import Failure
from transcription.media.warnings import Warned
from transcription.options.audio_tracks import NumberedTrack


class Queue(TypedDict):
    """Where a waiting transcription stands. `eta_seconds` is until the text is there."""

    position: int
    eta_seconds: float | None


class LanguageFound(TypedDict):
    """A language that was heard, and its share of the time in which there is text: 0 to 1."""

    language: str
    share: float


class TranscriptionBody(TypedDict):
    """One transcription of a recording. `transcripts` are links by format, once it is completed.

    `audio_track` is the number that was asked for, `audio_track_taken` the one that was, or is, transcribed.
    """

    id: str
    recording: str
    status: str
    percent: int
    task: str
    model: str
    language: str | None
    mode: str
    mode_taken: str | None
    hotwords: str
    beam_size: int
    languages: list[str]
    languages_found: list[LanguageFound]
    word_timestamps: bool
    audio_track: int | None
    audio_track_taken: int | None
    lane: str
    created_at: str
    finished_at: str | None
    processing_seconds: float | None
    reused: bool
    reused_from: str | None
    text_deleted_at: str | None
    revision: int
    queue: Queue | None
    error: Failure | None
    warnings: list[Warned]
    transcripts: dict[str, str] | None


class RecordingBody(TypedDict):
    """A recording with its latest transcription. `duration_seconds` and `bytes` are the media's own."""

    id: str
    name: str
    source: str
    created_at: str
    duration_seconds: float
    bytes: int
    format: str
    audio_tracks: list[NumberedTrack]
    audio_deleted_at: str | None
    transcription: TranscriptionBody | None
