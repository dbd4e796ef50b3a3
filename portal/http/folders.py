"""What a caller may do at the address of a recording, by the folder that it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from tenants.access import Actor
from transcription.folders.visibility import with_recording


def on_its_page(actor: Actor, arguments: Mapping[str, Any]) -> Actor:
    """Returns the actor with what they may do with the recording that a URL's arguments name; the same for none."""
    if "transcription_id" in arguments:
        return with_recording(actor, Q(transcriptions=arguments["transcription_id"]))
    return with_recording(actor, Q(id=arguments["recording_id"])) if "recording_id" in arguments else actor
