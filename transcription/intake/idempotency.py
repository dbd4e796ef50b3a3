"""A caller's name for a request (`Idempotency-Key`): sending the request again creates nothing.

A key is kept for a day, in the transaction that creates what it names, with the tenant's schedule locked: of
requests that race under one key, one creates and the others are given what it created.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import scope
from transcription.errors import InvalidOption
from transcription.models import IdempotencyKey, Transcription
from transcription.options.options import TranscriptionOptions

KEPT = timedelta(hours=24)
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(Exception):
    """The key names another request."""


@dataclass(frozen=True)
class Call:
    """A request that may create a transcription, whose id will be `id` unless an earlier call answers this one.

    `endpoint` is its path, `key` its idempotency key or empty. `waits` where its answer is the text itself. `also` is
    done in the transaction that decides which transcription answers; what it raises undoes that.
    """

    endpoint: str = ""
    key: str = ""
    waits: bool = False
    id: UUID = field(default_factory=uuid.uuid4)
    also: Callable[[Transcription], None] | None = None

    def created(self, row: Transcription) -> bool:
        return row.id == self.id

    def digest(self, content_sha256: str, options: TranscriptionOptions) -> str:
        """SHA-256 of all that makes two requests one: endpoint, content and options."""
        request = {"endpoint": self.endpoint, "content": content_sha256, "options": asdict(options)}
        return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def checked_key(header: str | None) -> str:
    """The key of a request's header, empty without one. Raises InvalidOption."""
    if header is None:
        return ""
    if not VISIBLE_ASCII.fullmatch(header):
        raise InvalidOption("Idempotency-Key", _("An idempotency key has 1 to 255 visible ASCII characters."))
    return header


def find(tenant_id: UUID, key: str, digest: str) -> Transcription | None:
    """What an earlier request under this key created. Raises KeyReused where that request was another one."""
    noted = IdempotencyKey.objects.select_related("transcription__recording").filter(tenant_id=tenant_id, key=key)
    found = noted.first() if key else None
    if found is None:
        return None
    if found.request_sha256 != digest:
        raise KeyReused
    return found.transcription


def note(tenant_id: UUID, key: str, digest: str, row: Transcription) -> None:
    """Names `row` by a key. The tenant's schedule is locked, and `find` found nothing under it since."""
    if key:
        IdempotencyKey.objects.get_or_create(
            tenant_id=tenant_id, key=key, defaults={"request_sha256": digest, "transcription": row}
        )


def forget_old() -> int:
    """Forgets keys after a day; how many."""
    with scope.across_tenants("the sweeper serves every tenant"):
        return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
