"""Whether a tenant's members are named by their voices, and the end of an enrolled voice, each with an audit entry."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from tenants import audit, scope
from tenants.access import Actor
from tenants.models import EnrolledVoice, Member, Quota, Tenant


def voice_of(member: Member) -> EnrolledVoice | None:
    with scope.bound(member.tenant_id):
        return EnrolledVoice.objects.filter(member=member.pk).first()


def count(tenant: Tenant) -> int:
    with scope.bound(tenant.id):
        return EnrolledVoice.objects.count()


def comparable(tenant: Tenant, version: str) -> QuerySet[EnrolledVoice]:
    """Returns the voices of members who may sign in, as far as this version of the network made them.

    None where the tenant's limits include no naming by voices.
    """
    rows = EnrolledVoice.objects.filter(tenant=tenant, version=version, member__user__is_active=True)
    rows = rows.exclude(tenant__quota__includes_voices=False)
    return rows.order_by("id")


def allow(actor: Actor, is_allowed: bool) -> None:
    """Lets members enrol and be recognised, or no longer, which deletes all voices. Raises PermissionDenied."""
    actor.require("owners.manage")
    if is_allowed and Quota.objects.filter(tenant=actor.tenant, includes_voices=False).exists():
        raise PermissionDenied(_("Naming members by their voices is no part of your organisation’s plan."))
    with transaction.atomic(), scope.bound(actor.tenant.id):
        rows = Tenant.objects.filter(id=actor.tenant.id).exclude(recognises_voices=is_allowed)
        if rows.update(recognises_voices=is_allowed):
            fields = ["recognises_voices"]
            audit.record(actor, "tenant.changed", actor.tenant, fields=fields, recognises_voices=is_allowed)
        if not is_allowed:
            for voice in EnrolledVoice.objects.select_related("member__user", "member__tenant"):
                revoke(actor, voice.member)


def revoke(actor: Actor, member: Member) -> bool:
    """Deletes a member's voice. Returns False where there was none."""
    with transaction.atomic(), scope.bound(member.tenant_id):
        if not EnrolledVoice.objects.filter(member=member.pk).delete()[0]:
            return False
        audit.record(actor, "voice.revoked", member, email=member.user.email)
    return True
