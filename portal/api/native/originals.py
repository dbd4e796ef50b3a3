"""Whether a program is answered with what is struck, too: only where it asks for that, and may correct."""

from __future__ import annotations

from rest_framework.request import Request

from portal.api.native import parameters
from tenants.access import Actor
from transcription.models import Transcription
from transcription.strikes import spans_of
from transcription.strikes.spans import Span
from transcription.transcripts import striking

REDACTED = parameters.Choice(
    "redacted", "false: with the words that are struck, for a key that may correct.", ("true", "false")
)


def wants_original(actor: Actor, request: Request) -> bool:
    """Raises InvalidOption, and PermissionDenied where the original is asked for and the caller may not correct."""
    if REDACTED.read(request) != "false":
        return False
    actor.require(striking.PERMISSION)
    return True


def hidden_spans(actor: Actor, request: Request, row: Transcription) -> list[Span]:
    """Returns the seconds whose words the answer leaves out. Raises as `wants_original` does."""
    return [] if wants_original(actor, request) else spans_of(row)
