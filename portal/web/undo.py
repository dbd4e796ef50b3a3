"""Messages with an undo button."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest

TAG = "undo:"


def success_with_undo(request: HttpRequest, text: str, recording_id: UUID) -> None:
    messages.success(request, text, extra_tags=f"{TAG}{recording_id}")


def recording_to_restore(message: Message) -> UUID | None:
    tag = message.extra_tags or ""
    return UUID(tag.removeprefix(TAG)) if tag.startswith(TAG) else None
