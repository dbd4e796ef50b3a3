"""Changes of people's second factors: audited in each tenant that they belong to, and mailed to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from allauth.mfa.models import Authenticator
from django.db import transaction

from tenants import account_mails, audit, people, user_sessions
from tenants.models import User
from tenants.people import ActorFor
from tenants.second_factors import TYPES


def name_of(factor: Authenticator) -> str:
    """Returns what a person calls a factor, as the audit log and mails have it."""
    return " ".join(str(factor.data.get("name") or factor.get_type_display()).split())


@contextmanager
def recording_changes(user: User, actor_for: ActorFor, session_key: str | None) -> Iterator[None]:
    """Audits and mails what the block changes of somebody's factors, in one transaction.

    With the first factor all sessions end but `session_key`.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        before = _all(user)
        yield
        now = _all(user)
        for added in now.keys() - before.keys():
            _record(user, actor_for, "factor_added", now[added])
        for removed in before.keys() - now.keys():
            _record(user, actor_for, "factor_removed", before[removed])
        if not _without_codes(before) and _without_codes(now):
            user_sessions.end(user, kept=session_key)


def record_code_used(user: User, actor_for: ActorFor, left: int) -> None:
    """Audits and mails that a recovery code was used, of which `left` are left."""
    for member in people.all_memberships(user.pk):
        audit.record(actor_for(member), "member.code_used", member, email=user.email, left=left)
    account_mails.tell(user, "recovery_code_used", "mfa_index", left=left)


def _record(user: User, actor_for: ActorFor, what: str, factor: Authenticator) -> None:
    for member in people.all_memberships(user.pk):
        details = {"email": user.email, "kind": str(factor.type), "name": name_of(factor)}
        audit.record(actor_for(member), f"member.{what}", member, **details)
    if factor.type in TYPES:
        account_mails.tell(user, what, "mfa_index", factor=factor, name=name_of(factor))


def _all(user: User) -> dict[int, Authenticator]:
    return {row.pk: row for row in Authenticator.objects.filter(user=user)}


def _without_codes(rows: dict[int, Authenticator]) -> list[Authenticator]:
    return [row for row in rows.values() if row.type in TYPES]
