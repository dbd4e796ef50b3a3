"""The links of people who leave the organisation or a folder.

Whoever removes them decides; by default they end, as a leaving member's keys do.
"""

from __future__ import annotations

from django.db.models import QuerySet

from tenants import scope
from tenants.access import Actor
from tenants.former_members import KeyDecision
from tenants.models import Member
from transcription.folders.visibility import people_who_see
from transcription.models import Folder
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


def of_folder(folder: Folder) -> QuerySet[Share]:
    """Returns the links to recordings in a folder which work and nobody has kept, those of one recording together."""
    rows = Share.objects.filter(open_ones(), recording__folder=folder, kept_at=None)
    return rows.select_related("recording").order_by("recording__name", "recording", "-created_at", "-id")


def settle_of_folder(actor: Actor, folder: Folder, leaver: Member, decision: str) -> int:
    """Revokes or keeps the links that a member made in a folder that they don't see any more.

    Call it in the transaction in which they are taken out of it. Checks no permission.
    """
    if Member.objects.filter(people_who_see(folder.id), id=leaver.id).exists():
        return 0
    rows = Share.objects.filter(tenant=folder.tenant_id, recording__folder=folder, created_by=leaver.user_id)
    settle_them = links.keep_all if decision == KeyDecision.KEEP else links.revoke_all
    return settle_them(actor, rows.filter(kept_at=None))
