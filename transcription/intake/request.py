"""A request for a transcription: who asks for what, and by which names an earlier request for the same is known."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from tenants.access import Actor
from tenants.models import Tenant
from transcription.models import Folder, Lane, Recording, Stage, Transcription
from transcription.options import tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.rules.applying import Ruling
from transcription.stopwatch import Stopwatch

INTERACTIVE_SECONDS = 300


class ReceivedFile(Protocol):
    """A file that has arrived on this machine's disk. `size` in bytes, `sha256` in hex."""

    @property
    def file_name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def seconds(self) -> float:
        """How long it took to arrive."""


@runtime_checkable
class ReceivedInStorage(ReceivedFile, Protocol):
    """A file that the object storage has, too, under `storage_key`: it is copied there instead of sent again."""

    @property
    def storage_key(self) -> str: ...


@dataclass(frozen=True)
class CallContext:
    """The call that carries a request. What it creates has the id `id`; an earlier call's answer has another one.

    `endpoint` is its path, `key` its idempotency key or empty. `waits` is true for a synchronous call, whose response
    is the text. `stopwatch` measures what is done before it is decided. `in_transaction` runs in the transaction that
    decides which transcription answers; an exception that it raises undoes the decision.
    """

    endpoint: str = ""
    key: str = ""
    waits: bool = False
    id: UUID = field(default_factory=uuid.uuid4)
    in_transaction: Callable[[Transcription], None] | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def created(self, row: Transcription) -> bool:
        return row.id == self.id


@dataclass(frozen=True)
class TranscriptionRequest:
    """What an actor asks for.

    `options` are those asked for, before tenant defaults. `named_options` are those that the request names itself,
    where `options` were derived from them. `folder` is where a new recording goes, `within` where a stored one is, or
    where rules put a new one; None for none. `translates` is the transcription beside which the new one stands.
    `arrival_seconds` is how long the file took to arrive. `ruling` are the rules that hold for a new recording.
    """

    actor: Actor
    options: TranscriptionOptions
    call: CallContext
    content_sha256: str
    named_options: TranscriptionOptions | None = None
    folder: Folder | None = None
    within: Folder | None = None
    translates: Transcription | None = None
    arrival_seconds: float = 0.0
    ruling: Ruling | None = None

    @property
    def tenant(self) -> Tenant:
        return self.actor.tenant

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what two requests under one idempotency key must share: endpoint, content and options."""
        options = (self.named_options or self.options).chosen
        same: dict[str, Any] = {"endpoint": self.call.endpoint, "content": self.content_sha256, "options": options}
        if self.folder is not None:
            same["folder"] = str(self.folder.id)
        return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()

    @cached_property
    def options_by_fingerprint(self) -> dict[str, TranscriptionOptions]:
        """The options that tenant defaults may lead to, whatever the recording's length is."""
        possible = tenant_defaults.candidates(self.options, self.tenant, self.folder or self.within)
        return {options.fingerprint(self.content_sha256): options for options in possible}

    def options_for(self, recording: Recording) -> TranscriptionOptions:
        """Returns the options after tenant defaults, some of which depend on the recording's length.

        The recording may be another one of the same content: the folder is the one that is asked for.
        """
        folder = self.folder or self.within
        return tenant_defaults.apply(self.options, self.tenant, recording.duration_seconds, folder)

    def fingerprint_for(self, recording: Recording) -> str:
        return self.options_for(recording).fingerprint(self.content_sha256)

    def is_for(self, row: Transcription) -> bool:
        """Returns whether a transcription of the same content was made under the options that its length leads to."""
        return self.fingerprint_for(row.recording) == row.fingerprint

    def new_transcription(self, recording: Recording, options: TranscriptionOptions) -> Transcription:
        """Returns a transcription that is not saved yet."""
        too_long = options.lane == Lane.INTERACTIVE and recording.duration_seconds > INTERACTIVE_SECONDS
        return Transcription(
            id=self.call.id,
            tenant=self.tenant,
            recording=recording,
            **options.columns,
            folder_hotwords=options.folder_hotwords,
            lane=Lane.STANDARD if too_long else options.lane,
            intake_seconds=self._intake_seconds,
            audio_seconds=recording.duration_seconds,
            fingerprint=options.fingerprint(self.content_sha256),
            someone_waits=self.call.waits,
            translates=self.translates,
            waiters=1 if self.call.waits and not self.call.key else None,
        )

    @property
    def _intake_seconds(self) -> dict[str, float]:
        received = {Stage.RECEIVE.value: round(self.arrival_seconds, 3)} if self.arrival_seconds else {}
        return received | {name: stage.seconds for name, stage in self.call.stopwatch.stages.items()}
