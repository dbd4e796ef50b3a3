"""Changes of people's second factors, audited in each of their tenants and mailed to them; and of who needs one.

An owner resets the factors of those who belong to the owner's tenant alone: another tenant's people are not theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import account_mails, audit, members, people, user_sessions
from tenants.access import Actor
from tenants.members import MemberConflict
from tenants.models import Member, Tenant, User
from tenants.people import ActorFor
from tenants.second_factors import TYPES, forget_guesses, has_one


def name_of(factor: Authenticator) -> str:
    """Returns what a person calls a factor, as the audit log and mails have it; nothing of an app and codes."""
    return " ".join(str(factor.data.get("name") or "").split())


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
        elif _codes(now) - _codes(before):
            account_mails.tell(user, "recovery_codes_made", "mfa_index")


def record_code_used(user: User, actor_for: ActorFor, left: int) -> None:
    """Audits and mails that a recovery code was used, of which `left` are left."""
    for member in people.all_memberships(user.pk):
        audit.record(actor_for(member), "member.code_used", member, email=user.email, left=left)
    account_mails.tell(user, "recovery_code_used", "mfa_index", left=left)


def require_of_members(actor: Actor, days: int | None) -> None:
    """Makes the tenant require a second factor in so many days; with None no longer.

    Raises PermissionDenied and MemberConflict.
    """
    actor.require("owners.manage")
    if days is not None and actor.user is not None and not has_one(actor.user.pk):
        raise MemberConflict("no_second_factor", _("Set up your own second factor first."))
    moment = None if days is None else timezone.now() + timedelta(days=days)
    with transaction.atomic():
        Tenant.objects.filter(pk=actor.tenant.pk).update(second_factor_from=moment)
        details = {"second_factor_from": moment.isoformat() if moment else None}
        audit.record(actor, "tenant.changed", actor.tenant, fields=["second_factor_from"], **details)


def reset_of_member(actor: Actor, member_id: int) -> Member:
    """Removes a member's factors, who has lost them. Raises PermissionDenied, Http404 and MemberConflict."""
    actor.require("owners.manage")
    member = members.member(actor, member_id)
    if actor.member is not None and member.id == actor.member.id:
        raise Http404
    if member.user.is_staff or len(people.all_memberships(member.user_id)) > 1:
        message = _("Only whoever runs the portal can do this for %(person)s. Ask them.")
        raise MemberConflict("not_only_here", message % {"person": member.user})
    reset(member.user, lambda _member: actor)
    return member


def reset(user: User, actor_for: ActorFor) -> bool:
    """Removes all of a person's factors, recovery codes and guesses, and ends their sessions.

    Returns False where there was nothing to remove.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        forget_guesses(user)
        if not Authenticator.objects.filter(user=user).delete()[0]:
            return False
        user_sessions.end(user)
        for member in people.all_memberships(user.pk):
            audit.record(actor_for(member), "member.factors_reset", member, email=user.email)
        account_mails.tell(user, "factors_reset", "mfa_index")
    return True


def _record(user: User, actor_for: ActorFor, what: str, factor: Authenticator) -> None:
    for member in people.all_memberships(user.pk):
        named = {"name": name_of(factor)} if name_of(factor) else {}
        audit.record(actor_for(member), f"member.{what}", member, email=user.email, kind=str(factor.type), **named)
    if factor.type in TYPES:
        account_mails.tell(user, what, "mfa_index", factor=factor, name=name_of(factor))


def _all(user: User) -> dict[int, Authenticator]:
    return {row.pk: row for row in Authenticator.objects.filter(user=user)}


def _codes(rows: dict[int, Authenticator]) -> set[int]:
    return {row.pk for row in rows.values() if row.type == Authenticator.Type.RECOVERY_CODES}


def _without_codes(rows: dict[int, Authenticator]) -> list[Authenticator]:
    return [row for row in rows.values() if row.type in TYPES]
