"""Idempotency keys (`Idempotency-Key`): a request that is sent again under its key creates nothing.

A key is noted for a day, in the transaction that creates the transcription it names, with the tenant locked.
"""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import scope
from tenants.access import Actor
from transcription.errors import InvalidOption, Refused
from transcription.folders.visibility import seen
from transcription.models import IdempotencyKey, Transcription

KEPT = timedelta(hours=24)
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")


def checked_key(header: str | None) -> str:
    """Returns the key of a request's header, empty without one. Raises InvalidOption."""
    if header is None:
        return ""
    if not VISIBLE_ASCII.fullmatch(header):
        raise InvalidOption("Idempotency-Key", _("An idempotency key has 1 to 255 visible ASCII characters."))
    return header


def find(actor: Actor, key: str, digest: str) -> Transcription | None:
    """Returns the transcription that a key names.

    Raises Refused if a request of another digest used the key, or one for a recording that the actor doesn't see.
    """
    noted = IdempotencyKey.objects.select_related("transcription__recording").filter(tenant=actor.tenant, key=key)
    found = noted.first() if key else None
    if found is None:
        return None
    is_seen = noted.filter(seen(actor, "transcription__recording")).exists()
    if found.request_sha256 != digest or not is_seen:
        raise key_reused()
    return found.transcription


def key_reused() -> Refused:
    message = _("This Idempotency-Key was used for another request. Use a new key for each new request.")
    return Refused("idempotency_key_reused", message)


def note(tenant_id: UUID, key: str, digest: str, row: Transcription) -> None:
    """Lets a key name `row`, unless it is empty or names something. Call with the tenant locked."""
    if key:
        IdempotencyKey.objects.get_or_create(
            tenant_id=tenant_id, key=key, defaults={"request_sha256": digest, "transcription": row}
        )


def forget_old() -> int:
    """Deletes keys after a day. Returns how many."""
    with scope.across_tenants("the sweeper serves every tenant"):
        return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
