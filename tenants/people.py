"""Changes of a person's address, password and rights, for the audit log of every organisation that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from tenants import audit
from tenants.access import Actor
from tenants.models import Member, User

Who = Callable[[Member], Actor]
RIGHTS = ("is_active", "is_staff", "is_superuser")


@contextmanager
def telling(user_id: int, who: Who, **details: audit.Detail) -> Iterator[None]:
    """Records what the block changed of a person, in the block's transaction. `details` go with a new password."""
    with transaction.atomic():
        before = facts(user_id)
        yield
        tell_changes(user_id, before, who, **details)


def facts(user_id: int) -> dict[str, Any]:
    """What is told of when it changes."""
    return dict(User.objects.filter(pk=user_id).values("email", "password", *RIGHTS).get())


def tell_changes(user_id: int, before: dict[str, Any], who: Who, **details: audit.Detail) -> None:
    """Records what is different from `before`."""
    now = facts(user_id)
    rights = [name for name in RIGHTS if now[name] != before[name]]
    for member in memberships(user_id):
        actor = who(member)
        if now["email"] != before["email"]:
            audit.record(actor, "member.email_changed", member, email=now["email"], before=before["email"])
        if now["password"] != before["password"]:
            audit.record(actor, "member.password_changed", member, email=now["email"], **details)
        if rights:
            audit.record(actor, "member.changed", member, fields=rights, email=now["email"], role=member.role)


def tell_removed(user: User, who: Who) -> None:
    """Records that a person is about to be deleted, and leaves every organisation with that."""
    for member in memberships(user.pk):
        audit.record(who(member), "member.removed", member.tenant, email=user.email, role=member.role)


def memberships(user_id: int) -> list[Member]:
    """All of a person's, also while the person or the organisation is switched off."""
    return list(Member.objects.filter(user_id=user_id).select_related("tenant", "user").order_by("id"))
