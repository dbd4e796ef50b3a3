"""Saved views of the library: a member's own, and those that owners, admins and their keys share with all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders.visibility import MANAGE
from transcription.library import filters, orders
from transcription.models import Recording, SavedView, Status
from transcription.models.saved_view import LONGEST_VIEW
from transcription.scripts import one_line, without_turns

MOST_VIEWS = 50
"""Of a member, and of the organisation."""
CHOICES: dict[str, Sequence[str]] = {
    "by": (filters.PEOPLE, filters.PROGRAMS, filters.EVERYBODY),
    "source": (Recording.Source.UPLOAD.value, Recording.Source.MICROPHONE.value),
    "favourite": ("1",),
    "held": ("1",),
    "status": Status.values,
    "checked": (filters.TO_CHECK, filters.CHECKED),
    "order": (*orders.FIELDS,),
}
TEXTS = {"key": 36, "owner": 254, "folder": 36, "tag": 900, "search": 200}
"""What else a view may ask for, and how long it may be."""


def visible(actor: Actor) -> QuerySet[SavedView]:
    """Returns the member's own views and the organisation's, by their names.

    A key that is limited to folders sees those that ask for one of them: others tell of the whole organisation.
    """
    actor.require("recordings.view")
    mine = Q(member=None) | Q(member=actor.member) if actor.member else Q(member=None)
    if actor.key is not None and actor.key.folders:
        mine &= Q(query__folder__in=actor.key.folders)
    return SavedView.objects.filter(mine, tenant=actor.tenant).order_by("name", "id")


def get(actor: Actor, view_id: UUID) -> SavedView:
    """Raises Http404."""
    return first_or_404(visible(actor).filter(id=view_id), _("There is no such view."))


def save(actor: Actor, name: str, query: Mapping[str, str], *, shared: bool = False) -> tuple[SavedView, bool]:
    """Saves a view, and returns whether it is new: one of the same name is replaced.

    Raises InvalidOption and PermissionDenied.
    """
    actor.require(MANAGE if shared else "recordings.view")
    if actor.member is None and not shared:
        raise PermissionDenied(_("Only people save views."))
    row = SavedView(tenant=actor.tenant, member=None if shared else actor.member, name=_checked_name(name))
    row.query = _checked_query(query)
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
    return row, known is None


def rename(actor: Actor, view_id: UUID, name: str) -> SavedView:
    """Raises Http404, InvalidOption and PermissionDenied."""
    row = _changeable(actor, view_id)
    before, row.name = row.name, _checked_name(name)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        others = SavedView.objects.filter(tenant=actor.tenant, member=row.member).exclude(id=row.id)
        if others.filter(name=row.name).exists():
            raise InvalidOption("name", _("Another view has that name."))
        if not SavedView.objects.filter(id=row.id).update(name=row.name):
            raise Http404(_("There is no such view."))
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
    row = get(actor, view_id)
    if row.member_id is None:
        actor.require(MANAGE)
    return row


def _checked_query(sent: Mapping[str, str]) -> dict[str, str]:
    """Returns what is asked for. Raises InvalidOption."""
    for name, value in sent.items():
        known = CHOICES.get(name, [])
        if known and value and value not in known:
            message = _("“%(name)s” must be one of %(known)s.")
            raise InvalidOption(name, message % {"name": name, "known": ", ".join(known)})
        if not known and len(value) > TEXTS[name]:
            message = _("“%(name)s” is longer than %(n)d characters.")
            raise InvalidOption(name, message % {"name": name, "n": TEXTS[name]})
    asked = {name: value for name, value in sent.items() if value}
    for name in ("folder", "key"):
        if asked.get(name) not in (None, filters.NO_FOLDER):
            asked[name] = _checked_id(name, asked[name])
    return asked


def _checked_id(name: str, sent: str) -> str:
    """Returns an id as it is written in addresses. Raises InvalidOption."""
    try:
        return str(UUID(sent))
    except ValueError:
        raise InvalidOption(name, _("“%(name)s” must be an id.") % {"name": name}) from None


def _checked_name(sent: str) -> str:
    """Raises InvalidOption."""
    name = one_line(without_turns(sent))
    if not (name and len(name) <= LONGEST_VIEW and name.isprintable()):
        raise InvalidOption("name", _("A view’s name has from 1 to %(n)d characters.") % {"n": LONGEST_VIEW})
    return name
