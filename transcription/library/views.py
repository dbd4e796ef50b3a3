"""Saved views of the library: a member's own, and those that owners and admins share with the organisation."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders.visibility import MANAGE
from transcription.models import SavedView
from transcription.models.saved_view import LONGEST_VIEW
from transcription.scripts import one_line, without_turns

MOST_VIEWS = 50
"""Of a member, and of the organisation."""


def visible(actor: Actor) -> QuerySet[SavedView]:
    """Returns the member's own views and the organisation's, by their names."""
    actor.require("recordings.view")
    mine = Q(member=None) | Q(member=actor.member) if actor.member else Q(member=None)
    return SavedView.objects.filter(mine, tenant=actor.tenant).order_by("name", "id")


def save(actor: Actor, name: str, query: Mapping[str, str], *, shared: bool = False) -> SavedView:
    """Saves a view; one of the same name is replaced. Raises InvalidOption and PermissionDenied."""
    actor.require(MANAGE if shared else "recordings.view")
    if actor.member is None:
        raise PermissionDenied(_("Only people save views."))
    row = SavedView(tenant=actor.tenant, member=None if shared else actor.member, name=_checked_name(name))
    row.query = dict(query)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        same = SavedView.objects.filter(tenant=actor.tenant, member=row.member)
        known = same.filter(name=row.name).first()
        if known is None and same.count() >= MOST_VIEWS:
            raise InvalidOption("name", _("There are %(n)d saved views, which is the most.") % {"n": MOST_VIEWS})
        row.id = known.id if known else row.id
        SavedView.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["id"], update_fields=["name", "query"]
        )
        if shared:
            audit.record(actor, "view.shared", row, name=row.name)
    return row


def rename(actor: Actor, view_id: UUID, name: str) -> SavedView:
    """Raises Http404, InvalidOption and PermissionDenied."""
    row = _changeable(actor, view_id)
    before, row.name = row.name, _checked_name(name)
    with transaction.atomic():
        row.save(update_fields=["name"])
        if row.member_id is None:
            audit.record(actor, "view.renamed", row, name=row.name, before=before)
    return row


def delete(actor: Actor, view_id: UUID) -> SavedView:
    """Raises Http404 and PermissionDenied."""
    row = _changeable(actor, view_id)
    with transaction.atomic():
        if row.member_id is None:
            audit.record(actor, "view.deleted", row, name=row.name)
        SavedView.objects.filter(id=row.id).delete()
    return row


def _changeable(actor: Actor, view_id: UUID) -> SavedView:
    row = visible(actor).filter(id=view_id).first()
    if row is None:
        raise Http404(_("There is no such view."))
    if row.member_id is None:
        actor.require(MANAGE)
    return row


def _checked_name(sent: str) -> str:
    """Raises InvalidOption."""
    name = one_line(without_turns(sent))
    if not (name and len(name) <= LONGEST_VIEW and name.isprintable()):
        raise InvalidOption("name", _("A view’s name has from 1 to %(n)d characters.") % {"n": LONGEST_VIEW})
    return name
