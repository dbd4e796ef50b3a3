"""The links of people who leave: whoever removes a member decides; by default they end, as the member's keys do."""

from __future__ import annotations

from tenants import scope
from tenants.access import Actor
from tenants.former_members import KeyDecision
from tenants.models import Member
from transcription.shares import links
from transcription.shares.models import Share, open_ones


def count_of(member: Member) -> int:
    """Returns how many links that work a member has made."""
    with scope.bound(member.tenant_id):
        return Share.objects.filter(open_ones(), created_by=member.user_id, kept_at=None).count()


def settle(actor: Actor, member: Member, decision: str) -> int:
    """Revokes or keeps the links that a leaving member made, and returns their number. Checks no permission."""
    with scope.bound(member.tenant_id):
        rows = Share.objects.filter(tenant=member.tenant_id, created_by=member.user_id, kept_at=None)
        return (links.keep_all if decision == KeyDecision.KEEP else links.revoke_all)(actor, rows)
