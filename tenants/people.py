"""Audit entries of changes to a user's e-mail address, name, password and rights, in every tenant they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from tenants import audit, enrolled_voices, scope
from tenants.access import Actor
from tenants.models import Identity, Member, User

ActorFor = Callable[[Member], Actor]
NAMES = ("first_name", "last_name")
RIGHTS = ("is_active", "is_staff", "is_superuser")


@contextmanager
def recording_changes(user_id: int, actor_for: ActorFor, **details: audit.Detail) -> Iterator[None]:
    """Audits what the block changes of a user, in one transaction. `details` are added to a change of password."""
    with transaction.atomic():
        before = audited_fields(user_id)
        yield
        record_changes(user_id, before, actor_for, **details)


def audited_fields(user_id: int) -> dict[str, Any]:
    """Returns the fields whose changes are audited."""
    return dict(User.objects.filter(pk=user_id).values("email", "password", *NAMES, *RIGHTS).get())


def record_changes(user_id: int, before: dict[str, Any], actor_for: ActorFor, **details: audit.Detail) -> None:
    """Audits what differs from `before`, a result of `audited_fields`. Another address ends ties to providers."""
    now = audited_fields(user_id)
    rights = [name for name in RIGHTS if now[name] != before[name]]
    if now["email"] != before["email"]:
        _untie(user_id)
    for member in all_memberships(user_id):
        actor = actor_for(member)
        if now["email"] != before["email"]:
            audit.record(actor, "member.email_changed", member, email=now["email"], before=before["email"])
        if _name(now) != _name(before):
            audit.record(actor, "member.renamed", member, email=now["email"], name=_name(now), before=_name(before))
        if now["password"] != before["password"]:
            audit.record(actor, "member.password_changed", member, email=now["email"], **details)
        if rights:
            audit.record(actor, "member.changed", member, fields=rights, email=now["email"], role=member.role)


def record_removal(user: User, actor_for: ActorFor) -> None:
    """Audits in each tenant that a user, who is about to be deleted, is removed, and the end of their voice."""
    for member in all_memberships(user.pk):
        enrolled_voices.revoke(actor_for(member), member)
        audit.record(actor_for(member), "member.removed", member.tenant, email=user.email, role=member.role)


def all_memberships(user_id: int) -> list[Member]:
    """Returns a user's memberships, including those of inactive users and tenants."""
    return list(Member.objects.filter(user_id=user_id).select_related("tenant", "user").order_by("id"))


def _name(fields: dict[str, Any]) -> str:
    return " ".join(fields[name] for name in NAMES if fields[name])


def _untie(user_id: int) -> None:
    """Ends what providers know a person by: they spoke for the address that was."""
    with scope.across_tenants("a person may be a member of several tenants"):
        Identity.objects.filter(member__user_id=user_id).delete()
