"""What somebody asks for, and by which names an earlier request for the same is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tenants.access import Actor
from transcription.intake.request import CallContext
from transcription.models import Recording, Transcription
from transcription.options import tenant_defaults
from transcription.options.options import TranscriptionOptions


@dataclass(frozen=True)
class Order:
    """What an actor asks for, and by which names an earlier request for the same is known."""

    actor: Actor
    asked: TranscriptionOptions
    call: CallContext
    content_sha256: str
    named: TranscriptionOptions | None = None  # what the request itself names, where `asked` was worked out from it

    def options(self, recording: Recording) -> TranscriptionOptions:
        """What is done for a recording of that length."""
        return tenant_defaults.applied(self.asked, self.actor.tenant, recording.duration_seconds)

    @cached_property
    def possible(self) -> dict[str, TranscriptionOptions]:
        """By fingerprint, what may be done, whatever the length is."""
        options = tenant_defaults.possible(self.asked, self.actor.tenant)
        return {one.fingerprint(self.content_sha256): one for one in options}

    def is_answered_by(self, row: Transcription) -> bool:
        """Of the same content and among the possible ones: whether its recording's length makes it the one."""
        return self.options(row.recording).fingerprint(self.content_sha256) == row.fingerprint

    @cached_property
    def digest(self) -> str:
        return self.call.digest(self.content_sha256, self.named or self.asked)
