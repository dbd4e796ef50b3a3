"""Messages with an undo button."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest

from transcription.folders.folders import NOWHERE
from transcription.models import Folder

TAG = "undo:"
MOVED = "moved:"
RENAMED = "renamed:"


def success_with_undo(request: HttpRequest, text: str, recording_id: UUID) -> None:
    messages.success(request, text, extra_tags=f"{TAG}{recording_id}")


def moved_with_undo(request: HttpRequest, text: str, recording_id: UUID, before: Folder | None) -> None:
    messages.success(request, text, extra_tags=f"{MOVED}{recording_id}:{before.id if before else NOWHERE}")


def renamed_with_undo(request: HttpRequest, text: str, recording_id: UUID, before: str) -> None:
    messages.success(request, text, extra_tags=f"{RENAMED}{recording_id}:{before}")


def name_to_undo(message: Message) -> tuple[UUID, str] | None:
    """Returns the recording that a message's Undo button renames, and the name that it had."""
    tag = message.extra_tags or ""
    recording_id, _colon, before = tag.removeprefix(RENAMED).partition(":")
    return (UUID(recording_id), before) if tag.startswith(RENAMED) else None


def move_to_undo(message: Message) -> tuple[UUID, str] | None:
    """Returns the recording that a message's Undo button moves back, and its folder's id; NOWHERE for none."""
    tag = message.extra_tags or ""
    recording_id, _colon, folder = tag.removeprefix(MOVED).partition(":")
    return (UUID(recording_id), folder) if tag.startswith(MOVED) else None


def recording_to_restore(message: Message) -> UUID | None:
    """Returns the recording that a message's Undo button restores."""
    tag = message.extra_tags or ""
    return UUID(tag.removeprefix(TAG)) if tag.startswith(TAG) else None
