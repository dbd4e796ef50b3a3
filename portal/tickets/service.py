"""Issues and redeems tickets."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now

from portal.tickets.models import SocketTicket
from tenants import database_clock, scope
from tenants.access import Actor
from tenants.api_keys import Bearer

VALID = timedelta(seconds=60)
KEPT = timedelta(minutes=10)


@dataclass(frozen=True)
class Ticket:
    """What a program is given. The secret is not kept."""

    secret: str
    expires_at: datetime


def issue(actor: Actor) -> Ticket:
    """Issues a ticket for the actor's key, and deletes old ones. Raises PermissionDenied."""
    actor.require("recordings.view")
    assert actor.key is not None
    expires_at = database_clock.now() + VALID
    with scope.across_tenants("old tickets of every tenant are deleted"):
        SocketTicket.objects.filter(expires_at__lt=Now() - KEPT).delete()
    ticket = Ticket(f"wst_{secrets.token_urlsafe(32)}", expires_at)
    with scope.bound(actor.tenant.id):
        SocketTicket.objects.create(
            tenant=actor.tenant,
            api_key=actor.key,
            secret_prefix=actor.secret_prefix,
            digest=_digest(ticket.secret),
            expires_at=ticket.expires_at,
        )
    return ticket


def redeem(secret: str) -> Bearer | None:
    """Returns who asked for a ticket, once; None for an unknown, used or expired one."""
    with scope.across_tenants("the ticket says which tenant"):
        tickets = SocketTicket.objects.filter(digest=_digest(secret))
        won = tickets.filter(used_at=None, expires_at__gt=Now()).update(used_at=Now())
        row = tickets.first() if won else None
    return Bearer(row.api_key_id, row.secret_prefix) if row else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
