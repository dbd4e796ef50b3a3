"""Warnings about recordings: codes for programs, sentences for people."""

from __future__ import annotations

from typing import TypedDict

from django.utils.translation import gettext as _

from transcription.models import Transcription


class Warned(TypedDict):
    code: str
    message: str


def warnings_of(row: Transcription) -> list[Warned]:
    """Returns the warnings with their messages; codes without a message are internal."""
    messages = ((code, message_of(row, code)) for code in row.warnings)
    return [{"code": code, "message": message} for code, message in messages if message]


def codes_of(row: Transcription) -> list[str]:
    return [warned["code"] for warned in warnings_of(row)]


def message_of(row: Transcription, code: str) -> str:
    """Returns what a code means and what to do; empty for an unknown code."""
    match code:
        case "incomplete":
            return _(
                "The file holds less sound than it says, as one does whose copy was cut off. What is there was "
                "transcribed. Check that the original is longer, and send it again."
            )
        case "other_tracks":
            message = _(
                "The file has %(count)d audio tracks; this is the text of track %(taken)d. "
                "Transcribe it again with another audio track if that is not the one you want."
            )
            return message % {"count": len(row.recording.audio_tracks), "taken": row.audio_track_taken}
        case "channels_cancel":
            return _(
                "The channels of the sound cancel each other out, so only one of them was transcribed. "
                "If somebody is missing, send the other channel as a file of its own."
            )
        case "gaps":
            return _(
                "Sound is missing in the middle of the file. Silence stands in its place, so that times stay right. "
                "If the original has none of these gaps, send it again."
            )
        case "mended":
            return _(
                "Other programs may play only a part of this file, or distort it: its header is wrong, its form "
                "changes in the middle, or its samples are too large. All of it was transcribed."
            )
        case "no_speakers":
            return _(
                "The speakers could not be told apart. The text is complete; transcribe it again to have them looked "
                "for once more."
            )
    return ""
