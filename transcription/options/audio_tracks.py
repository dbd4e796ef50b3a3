"""The audio tracks of a file: what is kept of them, and which one is transcribed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from django.utils.translation import ngettext

from transcription.errors import InvalidOption
from transcription.media import AudioTrack, Probe, probe
from transcription.models import Recording, Transcription

NO_SUCH_TRACK = "no_such_track"


class NumberedTrack(TypedDict):
    """An audio track of a file; `number` is what `audio_track` names. `channels` is 0 where that is not known."""

    number: int
    codec: str
    channels: int
    language: str
    title: str
    is_default: bool


def describe(recording: Recording, found: Probe, asked: int) -> None:
    """Stores on the recording what a probe found. `asked` is the number of the track that was requested, or 0."""
    recording.format, recording.codec, recording.duration_seconds = found.format, found.codec, found.duration
    recording.audio_tracks = [_kept(track) for track in found.tracks]
    recording.audio_track = 0 if asked and len(found.tracks) > 1 else found.track + 1


def describe_like(recording: Recording, other: Recording) -> None:
    """Copies what a probe found in another recording with the same content."""
    recording.format, recording.codec, recording.duration_seconds = other.format, other.codec, other.duration_seconds
    recording.audio_tracks, recording.audio_track = other.audio_tracks, other.audio_track
    recording.peaks = other.peaks


def index_of(row: Transcription, path: Path, longest: float) -> int:
    """Returns the index of the track to transcribe; chooses one where none was requested or chosen before.

    Raises MediaError and DecoderDied.
    """
    if not row.audio_track_taken and len(row.recording.audio_tracks) > 1:
        row.recording.audio_track = probe(path, longest, longest).track + 1
        Recording.objects.filter(id=row.recording_id).update(audio_track=row.recording.audio_track)
    return max(0, row.audio_track_taken - 1)


def found_in(row: Transcription) -> Probe:
    """Returns what a probe found in the recording, with the warnings of its decoding."""
    recording, index = row.recording, max(0, row.audio_track_taken - 1)
    tracks = tuple(AudioTrack(index=number, **track) for number, track in enumerate(recording.audio_tracks))
    codec = tracks[index].codec if index < len(tracks) else recording.codec
    return Probe(recording.format, codec, 0.0, tracks=tracks, track=index, warnings=tuple(row.warnings))


def numbered(recording: Recording) -> list[NumberedTrack]:
    tracks: list[Any] = [{"number": number} | track for number, track in enumerate(recording.audio_tracks, start=1)]
    return tracks


def others(row: Transcription) -> list[NumberedTrack]:
    """Returns the tracks that it was not made from."""
    return [track for track in numbered(row.recording) if track["number"] != row.audio_track_taken]


def check(recording: Recording, asked: int) -> None:
    """Raises InvalidOption where the recording is known not to have the track that is asked for."""
    if recording.audio_tracks and asked > len(recording.audio_tracks):
        raise no_such_track(len(recording.audio_tracks))


def no_such_track(count: int) -> InvalidOption:
    message = ngettext(
        "The file has %(n)d audio track: leave the audio track out, or name track 1.",
        "The file has %(n)d audio tracks. The audio track must be a number from 1 to %(n)d.",
        count,
    )
    return InvalidOption("audio_track", message % {"n": count}, NO_SUCH_TRACK)


def _kept(track: AudioTrack) -> dict[str, Any]:
    return {name: value for name, value in asdict(track).items() if name != "index"}
