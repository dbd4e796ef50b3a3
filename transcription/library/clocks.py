"""The clocks of audio and text: the organisation's, and those that folders, tags and rules have in its place.

A folder or a tag may say how long the audio, or the text, of its recordings is kept, and a rule for a recording as it
comes. Where one does, the organisation's days don't count; of several the shortest do. A legal hold stops them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Least, NullIf
from django.db.models.lookups import LessThan
from django.utils import timezone

from tenants import scope
from tenants.models import Tenant
from transcription.models import Folder, Recording, Tag, Tagging

AUDIO, TEXT = "audio_retention_days", "text_retention_days"
"""The field of each clock, of tenants, folders and tags alike."""
BY_RULE = {AUDIO: "keeps_audio_days", TEXT: "keeps_text_days"}
"""The field of a recording that a rule has set."""
MOST_DAYS = 36_500
NONE = MOST_DAYS + 1
"""Stands for no days where the fewest are looked for."""
Place = Folder | Tag
"""What may have clocks of its own."""


@dataclass(frozen=True)
class Clock:
    """One clock of a tenant, or what it would be if a folder or tag had other days."""

    field: str
    days: int | None
    other: tuple[Place, int | None] | None = None

    @classmethod
    def of(cls, tenant: Tenant, field: str) -> Clock:
        return cls(field, getattr(tenant, field))

    def changed(self, place: Place, days: int | None) -> Clock:
        """Returns what it would be with other days of a folder or tag; None for none."""
        return replace(self, other=(place, days))

    def is_over(self, recording: str, since: str) -> Q:
        """Selects rows by the paths to their `recording`, from the row, and to the time from which on it counts."""
        days = NullIf(self._own(recording), Value(NONE))
        counting = days if self.days is None else Coalesce(days, Value(self.days))
        kept = ExpressionWrapper(counting * Value(timedelta(days=1)), output_field=DurationField())
        begin = ExpressionWrapper(Value(timezone.now()) - kept, output_field=DateTimeField())
        return Q(LessThan(F(since), begin))

    def counts_for(self, recording: str) -> Q:
        """Selects the rows for which there are days at all."""
        return Q() if self.days is not None else Q(LessThan(self._own(recording), Value(NONE)))

    def _own(self, recording: str) -> Least:
        """Returns the fewest days of a recording's folder, tags and rule; NONE where none of them has any."""
        path = f"{recording}__" if recording else ""
        folder = Folder.objects.filter(id=OuterRef(f"{path}folder_id")).values(days=self._days_of(Folder, ""))
        tagged = Tagging.objects.filter(recording=OuterRef(f"{recording}_id" if recording else "pk"))
        tags = tagged.order_by().values("recording").annotate(days=Min(self._days_of(Tag, "tag__"))).values("days")
        by_rule = Cast(F(f"{path}{BY_RULE[self.field]}"), IntegerField())
        return Least(*(Coalesce(one, Value(NONE)) for one in (_days(folder), _days(tags), by_rule)))

    def _days_of(self, model: type[Place], path: str) -> Case | Cast:
        """Returns the days of each folder or tag, by the path to them."""
        now = Cast(F(f"{path}{self.field}"), IntegerField())
        if self.other is None or not isinstance(self.other[0], model):
            return now
        place, days = self.other
        return Case(When(**{f"{path}pk": place.pk}, then=Value(days)), default=now, output_field=IntegerField())


def _days(rows: QuerySet[Any, Any]) -> Subquery:
    return Subquery(rows, output_field=IntegerField())


def within(model: type[Place], ids: list[UUID], recording: str) -> Q:
    """Selects rows whose recording is in one of the folders, or has one of the tags."""
    if model is Folder:
        return Q(**{f"{recording}__folder__in" if recording else "folder__in": ids})
    tagged = Tagging.objects.filter(tag__in=ids).values("recording")
    return Q(**{f"{recording}__in" if recording else "pk__in": tagged})


def tenants_with(field: str) -> QuerySet[Tenant]:
    """Returns the tenants with days of a clock, their own or those of a folder or tag."""
    limited = Q(**{f"{field}__isnull": False})
    with scope.across_tenants("the sweeper serves every tenant"):
        folders, tags = (model.objects.filter(limited, tenant=OuterRef("pk")) for model in (Folder, Tag))
        ruled = Recording.objects.filter(tenant=OuterRef("pk")).exclude(**{BY_RULE[field]: None})
        return Tenant.objects.filter(limited | Exists(folders) | Exists(tags) | Exists(ruled))


@dataclass(frozen=True)
class Decided:
    """The days that count for a recording: those of a folder or tag, with its name, of a rule, or else the tenant's."""

    days: int
    name: str = ""
    by_rule: bool = False


def deciding(recording: Recording, field: str) -> Decided | None:
    """Returns the days that count for a recording; None where there are none."""
    places: list[Place] = [*([recording.folder] if recording.folder else []), *recording.tags]
    own = [Decided(days, place.name) for place in places if (days := getattr(place, field)) is not None]
    if (ruled := getattr(recording, BY_RULE[field])) is not None:
        own.append(Decided(ruled, by_rule=True))
    if own:
        return min(own, key=lambda one: one.days)
    days = getattr(recording.tenant, field)
    return None if days is None else Decided(days)


def ends_at(since: datetime, days: int) -> datetime:
    return since + timedelta(days=days)
