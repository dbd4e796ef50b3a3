"""Members of a tenant: who they are, their roles, and how they leave.

Admins manage everybody but owners; owners manage all. A tenant keeps at least one active owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import account_mails, audit, enrolled_voices, former_members, people_lock, scope
from tenants.access import PERMISSIONS, Actor, member_actor
from tenants.models import ApiKey, Invitation, Member, Role
from tenants.shortcuts import first_or_404

RANKS = Case(*(When(role=role, then=Value(rank)) for rank, role in enumerate(Role.values)), output_field=IntegerField())


class MemberConflict(Exception):
    """The state of a membership or an invitation forbids it.

    `code`: last_owner, already_member, not_open or too_many.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def members(actor: Actor) -> QuerySet[Member]:
    """Returns the tenant's members, the highest roles first. Raises PermissionDenied."""
    actor.require("people.view")
    rows = Member.objects.filter(tenant=actor.tenant).select_related("user", "tenant")
    return rows.order_by(RANKS, "user__email", "id")


def member(actor: Actor, member_id: int) -> Member:
    """Returns one of the tenant's members. Raises PermissionDenied and Http404."""
    return first_or_404(members(actor).filter(id=member_id), _("There is no such member."))


def roles_to_give(actor: Actor) -> list[Role]:
    """Returns the roles that the actor may give to others, and take from them."""
    if not actor.may("people.manage"):
        return []
    return [role for role in Role if role != Role.OWNER or actor.may("owners.manage")]


def require_role(actor: Actor, role: str) -> None:
    """Raises PermissionDenied unless the actor may give, or take, this role."""
    actor.require("people.manage")
    if role == Role.OWNER:
        actor.require("owners.manage")


def change_role(actor: Actor, member_id: int, role: Role) -> Member:
    """Gives a member another role. Raises PermissionDenied, Http404 and MemberConflict."""
    with _locked(actor) as actor:
        require_role(actor, role)
        changed = member(actor, member_id)
        require_role(actor, changed.role)
        if changed.role != role:
            if changed.role == Role.OWNER:
                _require_another_owner(changed)
            _set_role(actor, changed, role)
            if "people.manage" not in PERMISSIONS[role]:
                _revoke_invitations_of(actor, changed)
    return changed


def give_role(actor: Actor, changed: Member, role: Role) -> None:
    """Gives a member the role that the tenant's provider or directory says; owners keep theirs.

    In the caller's transaction, with the tenant locked.
    """
    if changed.role in (role, Role.OWNER):
        return
    _set_role(actor, changed, role)
    if "people.manage" not in PERMISSIONS[role]:
        _revoke_invitations_of(actor, changed)


def transfer_ownership(actor: Actor, member_id: int) -> Member:
    """Makes another member an owner, and the acting owner an admin. Raises PermissionDenied and Http404."""
    with _locked(actor) as actor:
        require_role(actor, Role.OWNER)
        successor = member(actor, member_id)
        if actor.member is None or successor.id == actor.member.id or not successor.user.is_active:
            raise Http404(_("There is no such member."))
        _set_role(actor, successor, Role.OWNER)
        _set_role(actor, member(actor, actor.member.id), Role.ADMIN)
    return successor


def remove(actor: Actor, member_id: int, keys: str) -> Member:
    """Ends a membership, of somebody else or the actor's own, and decides about the API keys that they made.

    `keys` is a KeyDecision; one's own keys are kept only by those who may manage keys. What they recorded and
    corrected stays; their open invitations end. Raises PermissionDenied, Http404 and MemberConflict.
    """
    with _locked(actor) as actor:
        leaver = member(actor, member_id)
        leaves = actor.member is not None and leaver.id == actor.member.id
        if not leaves:
            require_role(actor, leaver.role)
        if leaver.role == Role.OWNER:
            _require_another_owner(leaver)
        if not actor.may("keys.manage"):
            keys = former_members.KeyDecision.REVOKE
        settler = replace(actor, permissions=actor.permissions | {"keys.manage"})
        former_members.settle([settler], leaver.user, keys)
        _revoke_invitations_of(actor, leaver)
        enrolled_voices.revoke(actor, leaver)
        audit.record(actor, "member.removed", actor.tenant, email=leaver.user.email, role=leaver.role, left=leaves)
        Member.objects.filter(id=leaver.id).delete()
    return leaver


def keys_of(leaver: Member) -> int:
    """Returns how many valid API keys of the tenant a member has made."""
    with scope.bound(leaver.tenant_id):
        return ApiKey.objects.filter(created_by=leaver.user_id, revoked_at=None, kept_at=None).count()


@contextmanager
def _locked(actor: Actor) -> Iterator[Actor]:
    """Lets one change of a tenant's members happen at a time, so that two owners can't both leave.

    Yields the actor with the rights that they have now. Raises PermissionDenied if they are no longer a member, and for
    an operator who acts for one.
    """
    actor.require_in_person()
    with transaction.atomic():
        people_lock.lock(actor.tenant.id)
        if actor.member is None:
            yield actor
            return
        now = Member.objects.filter(id=actor.member.id).select_related("user", "tenant").first()
        if now is None:
            raise PermissionDenied(_("You are not a member of %(tenant)s any more.") % {"tenant": actor.tenant})
        yield member_actor(now, actor.address)


def _revoke_invitations_of(actor: Actor, inviter: Member) -> None:
    """Ends the invitations that somebody sent who may send none any more: one may be to themselves."""
    with scope.bound(actor.tenant.id):
        rows = Invitation.objects.filter(invited_by=inviter.user_id, accepted_at=None, revoked_at=None)
        for row in list(rows):
            audit.record(actor, "invitation.revoked", row, email=row.email, role=row.role)
        rows.update(revoked_at=timezone.now())


def _set_role(actor: Actor, changed: Member, role: Role) -> None:
    before, changed.role = changed.role, role
    changed.save(update_fields=["role"])
    details = {"email": changed.user.email, "role": str(role), "before": str(before)}
    audit.record(actor, "member.changed", changed, fields=["role"], **details)
    tell_of_role(actor, changed)


def tell_of_role(actor: Actor, changed: Member) -> None:
    """Mails a member that they have another role."""
    by = actor.user.email if actor.user else ""
    account_mails.tell(
        changed.user, "role_changed", "web:people", tenant=actor.tenant, role=changed.get_role_display(), by=by
    )


def _require_another_owner(owner: Member) -> None:
    """Raises MemberConflict if there is no other active owner."""
    others = Member.objects.filter(tenant_id=owner.tenant_id, role=Role.OWNER, user__is_active=True)
    if not others.exclude(id=owner.id).exists():
        message = _("%(person)s is the only owner. Make somebody else an owner first.")
        raise MemberConflict("last_owner", message % {"person": owner.user})
