"""Second factors of people: rows of allauth.mfa. tenants.factor_changes audits and mails what changes of them.

A session of somebody who has one has passed it, or is the one that set it up: with the first factor all others end.
"""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db.models import QuerySet

TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""Recovery codes are none by themselves: they go with the last of these."""


def factors_of(user_id: int) -> QuerySet[Authenticator]:
    """Returns a person's second factors, without the recovery codes, the oldest first."""
    rows: QuerySet[Authenticator] = Authenticator.objects.filter(user_id=user_id, type__in=TYPES)
    return rows.order_by("created_at", "id")


def has_one(user_id: int) -> bool:
    return factors_of(user_id).exists()
