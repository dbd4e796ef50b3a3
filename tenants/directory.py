"""A tenant's directory (SCIM): its tokens, which owners make, and what it does to the tenant's people."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit, identity_providers, members, newcomers, people, people_lock, scope, user_sessions
from tenants.access import Actor, directory_actor
from tenants.former_members import KeyDecision
from tenants.members import MemberConflict
from tenants.models import DirectoryPerson, DirectoryToken, Member, Role, Tenant, User
from tenants.newcomers import NewcomerRefused

BRAND = "wpd_"
MOST_TOKENS = 5
USED_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class DirectoryEntry:
    """Somebody as the directory wants them: with `is_active` a member; without a `role` with the one that they have."""

    email: str
    first_name: str
    last_name: str
    is_active: bool
    role: Role | None


def tokens(actor: Actor) -> list[DirectoryToken]:
    """Returns the tenant's tokens that hold. Raises PermissionDenied and Http404."""
    identity_providers.require(actor)
    return list(DirectoryToken.objects.filter(tenant=actor.tenant, revoked_at=None))


def make_token(actor: Actor, name: str) -> tuple[DirectoryToken, str]:
    """Returns a new token and its secret, which is shown once. Raises PermissionDenied, Http404, MemberConflict."""
    identity_providers.require(actor)
    secret = BRAND + secrets.token_urlsafe(32)
    with transaction.atomic():
        people_lock.lock(actor.tenant.id)
        if len(tokens(actor)) >= MOST_TOKENS:
            message = _("There are %(most)d tokens already. Revoke one first.")
            raise MemberConflict("too_many", message % {"most": MOST_TOKENS})
        maker = actor.user.email if actor.user else ""
        row = DirectoryToken.objects.create(tenant=actor.tenant, name=name, digest=_digest(secret), maker_name=maker)
        audit.record(actor, "directory.token_made", row, name=name)
    return row, secret


def revoke_token(actor: Actor, token_id: UUID) -> None:
    """Ends a token at once. Raises PermissionDenied and Http404."""
    row = next((row for row in tokens(actor) if row.id == token_id), None)
    if row is None:
        raise Http404(_("There is no such token."))
    with transaction.atomic():
        if DirectoryToken.objects.filter(id=row.id, revoked_at=None).update(revoked_at=timezone.now()):
            audit.record(actor, "directory.token_revoked", row, name=row.name)


def authenticate(secret: str, address: str = "") -> Actor | None:
    """Returns the actor of a token that holds, of an active tenant; None for any other."""
    if not secret.startswith(BRAND) or not identity_providers.are_allowed():
        return None
    with scope.across_tenants("the token says which tenant"):
        rows = DirectoryToken.objects.filter(digest=_digest(secret), revoked_at=None, tenant__is_active=True)
        row = rows.select_related("tenant", "tenant__quota").first()
        if row is None:
            return None
        stale = Q(last_used_at=None) | Q(last_used_at__lt=timezone.now() - USED_STEP)
        DirectoryToken.objects.filter(stale, id=row.id).update(last_used_at=timezone.now())
    return directory_actor(row, address)


def settle(actor: Actor, person: DirectoryPerson, wanted: DirectoryEntry) -> Member | None:
    """Makes somebody a member, or changes or ends their membership, and returns the member who left, if one did.

    In the caller's transaction, with the tenant locked. Raises NewcomerRefused, and MemberConflict for the last owner.
    """
    if not wanted.is_active:
        leaver, person.member = person.member, None
        if leaver is not None:
            remove(actor, leaver)
        return leaver
    if person.member is None:
        person.member = _admitted(actor, wanted)
    else:
        _rename(actor, person.member, wanted)
    if wanted.role is not None:
        members.give_role(actor, person.member, wanted.role)
    return None


def remove(actor: Actor, leaver: Member) -> None:
    """Ends a membership with its keys, and the sessions of whom nothing else is left. Raises MemberConflict."""
    members.remove(actor, leaver.pk, KeyDecision.REVOKE)
    if not people.all_memberships(leaver.user_id):
        user_sessions.end(leaver.user)


def _admitted(actor: Actor, wanted: DirectoryEntry) -> Member:
    """Returns the member with this address, made now if there is none. Raises NewcomerRefused."""
    _check_address(actor.tenant, wanted.email)
    user = User.objects.filter(email=wanted.email).first()
    if user is not None:
        newcomers.check_account(actor.tenant, user)
        known = Member.objects.filter(tenant=actor.tenant, user=user).select_related("user", "tenant").first()
        if known is not None:
            if DirectoryPerson.objects.filter(member=known).exists():
                raise NewcomerRefused("taken", _("%(email)s is taken.") % {"email": wanted.email})
            return known
    user, ended = newcomers.account_of(actor.tenant, wanted.email, wanted.first_name, wanted.last_name)
    member = Member.objects.create(tenant=actor.tenant, user=user, role=wanted.role or Role.VIEWER)
    audit.record(actor, "member.added", member, email=user.email, role=member.role)
    newcomers.record_ended(actor, member, ended)
    return member


def names(user: User) -> Tenant | None:
    """Returns the tenant whose directory gives this person's name: it does where they belong to no other."""
    known = people.all_memberships(user.pk)
    if len(known) != 1 or user.is_staff or user.is_superuser:
        return None
    with scope.bound(known[0].tenant_id):
        return known[0].tenant if DirectoryPerson.objects.filter(member=known[0]).exists() else None


def _rename(actor: Actor, member: Member, wanted: DirectoryEntry) -> None:
    """Gives an account another name or address, which only this tenant uses. Raises NewcomerRefused."""
    user = member.user
    changes: dict[str, str] = {"first_name": wanted.first_name, "last_name": wanted.last_name, "email": wanted.email}
    changes = {name: value for name, value in changes.items() if value and getattr(user, name) != value}
    if not changes:
        return
    if len(people.all_memberships(user.pk)) > 1 or user.is_staff or user.is_superuser:
        if "email" in changes:
            message = _("%(email)s has an account in another organisation, too: its address can’t be changed here.")
            raise NewcomerRefused("other_tenant", message % {"email": user.email})
        return
    if "email" in changes:
        newcomers.check_address(actor.tenant, user.email)
        _check_address(actor.tenant, wanted.email)
        if User.objects.filter(email=wanted.email).exists():
            raise NewcomerRefused("taken", _("%(email)s is taken.") % {"email": wanted.email})

    def actor_for(_member: Member) -> Actor:
        return actor

    with people.recording_changes(user.pk, actor_for):
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))


def _check_address(tenant: Tenant, email: str) -> None:
    """Raises NewcomerRefused."""
    try:
        validate_email(email)
    except ValidationError:
        raise NewcomerRefused("no_address", _("“%(typed)s” is no e-mail address.") % {"typed": email[:80]}) from None
    newcomers.check_address(tenant, email)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
