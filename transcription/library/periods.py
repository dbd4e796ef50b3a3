"""How long audio and text are kept: the organisation's days, and those of folders, tags and rules in their place.

A folder or a tag may say how long the audio, or the text, of its recordings is kept, and a rule for a recording as it
comes. Where one does, the organisation's days don't count; of several the shortest do. A legal hold stops them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from tenants import scope
from tenants.models import Tenant
from transcription.models import Folder, Recording, Tag, Tagging

AUDIO, TEXT = "audio_retention_days", "text_retention_days"
"""The fields with the days, of tenants, folders and tags alike."""
BY_RULE = {AUDIO: "keeps_audio_days", TEXT: "keeps_text_days"}
"""The field of a recording that a rule has set."""
MOST_DAYS = 36_500
PeriodOwner = Folder | Tag
"""What may have days of its own."""


@dataclass(frozen=True)
class RetentionPeriod:
    """The days of one field: the tenant's, those of folders and tags by their ids, and all that rules have given."""

    field: str
    days: int | None
    owners: dict[type[PeriodOwner], dict[UUID, int]]
    ruled: list[int]

    @classmethod
    def of(cls, tenant: Tenant, field: str) -> RetentionPeriod:
        """Reads it, but the tenant's own days. The tenant has to be bound."""
        own = BY_RULE[field]
        ruled = Recording.objects.filter(tenant=tenant).exclude(**{own: None}).order_by(own).values_list(own, flat=True)
        owners = {model: _days(model, field) for model in (Folder, Tag)}
        return cls(field, getattr(tenant, field), owners, list(ruled.distinct()))

    def changed(self, owner: PeriodOwner, days: int | None) -> RetentionPeriod:
        """Returns what it would be with other days of a folder or tag; None for none."""
        others = {one: kept for one, kept in self.owners[type(owner)].items() if one != owner.id}
        new = others if days is None else others | {owner.id: days}
        return replace(self, owners=self.owners | {type(owner): new})

    def is_over(self, recording: str, since: str) -> Q:
        """Selects rows by the paths to their `recording`, from the row, and to the time from which on it counts."""
        now = timezone.now()
        over = _any(rows & Q(**{f"{since}__lt": now - timedelta(days=days)}) for days, rows in self._own(recording))
        if self.days is not None:
            over |= Q(**{f"{since}__lt": now - timedelta(days=self.days)}) & ~self._any_own(recording)
        return over

    def counts_for(self, recording: str) -> Q:
        """Selects the rows for which there are days at all."""
        return Q() if self.days is not None else self._any_own(recording)

    def _any_own(self, recording: str) -> Q:
        return _any(rows for _days_of_it, rows in self._own(recording))

    def _own(self, recording: str) -> Iterator[tuple[int, Q]]:
        """Yields the rows of folders, tags and rules with the same days together."""
        path = f"{recording}__{BY_RULE[self.field]}" if recording else BY_RULE[self.field]
        yield from ((days, Q(**{path: days})) for days in self.ruled)
        for model, days_of in self.owners.items():
            for days in sorted(set(days_of.values())):
                yield days, within(model, [one for one, its in days_of.items() if its == days], recording)


def _any(conditions: Iterable[Q]) -> Q:
    """Selects rows for which any condition holds. SQLite takes no thousand ORs, but any number of cases."""
    cases = [When(one, then=Value(True)) for one in conditions]
    return Q(Case(*cases, default=Value(False), output_field=BooleanField())) if cases else Q(pk__in=())


def within(model: type[PeriodOwner], ids: list[UUID], recording: str) -> Q:
    """Selects rows whose recording is in one of the folders, or has one of the tags."""
    if model is Folder:
        return Q(**{f"{recording}__folder__in" if recording else "folder__in": ids})
    tagged = Tagging.objects.filter(tag__in=ids).values("recording")
    return Q(**{f"{recording}__in" if recording else "pk__in": tagged})


def tenants_with(field: str) -> QuerySet[Tenant]:
    """Returns the tenants with days in a field, their own or those of a folder or tag."""
    limited = Q(**{f"{field}__isnull": False})
    with scope.across_tenants("the sweeper serves every tenant"):
        folders, tags = (model.objects.filter(limited, tenant=OuterRef("pk")) for model in (Folder, Tag))
        ruled = Recording.objects.filter(tenant=OuterRef("pk")).exclude(**{BY_RULE[field]: None})
        return Tenant.objects.filter(limited | Exists(folders) | Exists(tags) | Exists(ruled))


@dataclass(frozen=True)
class EffectivePeriod:
    """The days that count for a recording: those of a folder or tag, with its name, of a rule, or else the tenant's."""

    days: int
    name: str = ""
    by_rule: bool = False


def effective_period(recording: Recording, field: str) -> EffectivePeriod | None:
    """Returns the days that count for a recording; None where there are none."""
    owners: list[PeriodOwner] = [*([recording.folder] if recording.folder else []), *recording.tags]
    own = [EffectivePeriod(days, owner.name) for owner in owners if (days := getattr(owner, field)) is not None]
    if (ruled := getattr(recording, BY_RULE[field])) is not None:
        own.append(EffectivePeriod(ruled, by_rule=True))
    if own:
        return min(own, key=lambda one: one.days)
    days = getattr(recording.tenant, field)
    return None if days is None else EffectivePeriod(days)


def ends_at(since: datetime, days: int) -> datetime:
    return since + timedelta(days=days)


def _days(model: type[PeriodOwner], field: str) -> dict[UUID, int]:
    return dict(model.objects.exclude(**{field: None}).values_list("id", field))
