"""What waits and what failed, for operators who move, cancel and retry a selection of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, DateTimeField, OuterRef, QuerySet, Subquery
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.ops.figures import DAY
from tenants import audit, scope
from tenants.access import Actor
from tenants.models import Tenant
from transcription.errors import InvalidOption, Refused
from transcription.intake import accept
from transcription.models import Lane, LaneBacklog, Status, Transcription
from transcription.queue import lifecycle

SHOWN = 100
ActorOf = Callable[[Tenant], Actor]


@dataclass(frozen=True)
class Filter:
    """Selects waiting transcriptions by tenant and lane, and failed ones by their cause; None and "" for all."""

    tenant: UUID | None = None
    lane: int | None = None
    cause: str = ""

    @property
    def fields(self) -> dict[str, object]:
        named = {"tenant_id": self.tenant, "lane": self.lane, "error_code": self.cause or None}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Action:
    """What is done to each of a selection, by an operator. `apply` returns whether it changed anything."""

    label: Promise
    question: Promise
    apply: Callable[[Actor, Transcription], bool]


def backlogs() -> QuerySet[LaneBacklog]:
    """Selects what tenants have waiting by lane, the most audio first, with when the `oldest` came; SHOWN at most."""
    same = {"tenant_id": OuterRef("tenant_id"), "lane": OuterRef("lane"), "status": Status.QUEUED}
    first = Transcription.objects.filter(**same).order_by("created_at").values("created_at")[:1]
    rows = LaneBacklog.objects.filter(waiting__gt=0).select_related("tenant").order_by("-waiting_seconds", "tenant_id")
    return rows.annotate(oldest=Subquery(first, output_field=DateTimeField()))[:SHOWN]


def waiting(chosen: Filter) -> QuerySet[Transcription]:
    """Selects what waits, the first that came first; SHOWN at most."""
    rows = _rows().filter(status=Status.QUEUED, **chosen.fields)
    return rows.order_by("created_at", "id")[:SHOWN]


def causes(now: datetime) -> list[tuple[str, int]]:
    """Returns how many transcriptions failed in the last day by error code, the most first."""
    rows = Transcription.objects.filter(status=Status.FAILED, finished_at__gte=now - DAY).order_by()
    counted = rows.values_list("error_code").annotate(n=Count("id")).order_by("-n")
    return [(code, count) for code, count in counted]


def failed(chosen: Filter, now: datetime) -> QuerySet[Transcription]:
    """Selects what failed in the last day, the last first; SHOWN at most."""
    rows = _rows().filter(status=Status.FAILED, finished_at__gte=now - DAY, **chosen.fields)
    return rows.order_by("-finished_at")[:SHOWN]


def selected(ids: Sequence[UUID]) -> QuerySet[Transcription]:
    return _rows().filter(id__in=ids).order_by("created_at", "id")


def act(action: Action, ids: Sequence[UUID], actor_of: ActorOf) -> tuple[int, int]:
    """Acts on each of a selection, in a transaction of its own. Returns how many it changed, and how many not.

    What can't be changed, or not any more, is left as it is.
    """
    done = 0
    for row in Transcription.objects.filter(id__in=ids).select_related("tenant__quota", "recording"):
        with scope.bound(row.tenant_id):
            try:
                done += action.apply(actor_of(row.tenant), row)
            except (Refused, InvalidOption, PermissionDenied, Http404):
                continue
    return done, len(ids) - done


def _move_to(lane: Lane) -> Callable[[Actor, Transcription], bool]:
    def move(actor: Actor, row: Transcription) -> bool:
        with transaction.atomic():
            moved = lifecycle.move(row, lane)
            if moved:
                lanes = {"before": Lane(row.lane).key, "after": lane.key}
                audit.record(actor, "transcription.moved", row, recording=str(row.recording_id), **lanes)
        return moved

    return move


def _cancel(actor: Actor, row: Transcription) -> bool:
    with transaction.atomic():
        cancelled = lifecycle.cancel(row)
        if cancelled:
            audit.record(actor, "transcription.cancelled", row, recording=str(row.recording_id))
    return cancelled


def _retry(actor: Actor, row: Transcription) -> bool:
    """Raises what `accept.retry` raises."""
    return accept.retry(actor, row).id != row.id


def _rows() -> QuerySet[Transcription]:
    rows = Transcription.objects.select_related("recording", "tenant")
    shown = ("id", "created_at", "finished_at", "lane", "audio_seconds", "saved_seconds", "error_code", "error_message")
    return rows.only(*shown, "attempts_made", "not_before", "tenant__name", "recording__name")


FOR_WAITING = {
    "interactive": Action(_("Move to interactive"), _("Move to the lane “interactive”?"), _move_to(Lane.INTERACTIVE)),
    "standard": Action(_("Move to standard"), _("Move to the lane “standard”?"), _move_to(Lane.STANDARD)),
    "bulk": Action(_("Move to bulk"), _("Move to the lane “bulk”?"), _move_to(Lane.BULK)),
    "cancel": Action(_("Cancel"), _("Cancel these? Their tenants are charged nothing."), _cancel),
}
FOR_FAILED = {
    "retry": Action(_("Try again"), _("Queue these again, under the options that were asked for?"), _retry),
}
