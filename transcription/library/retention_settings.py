"""How long what is in a folder, or has a tag, is kept: decided by owners and admins, who see first what it deletes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders.visibility import MANAGE
from transcription.library import periods, retention
from transcription.library.periods import AUDIO, MOST_DAYS, TEXT, EffectivePeriod, PeriodOwner, RetentionPeriod
from transcription.models import Folder, Recording, Transcription


@dataclass(frozen=True)
class Preview:
    """What goes within the hour: recordings that lose their audio, texts, and how many recordings a hold keeps."""

    audio: int
    text: int
    held: int


@dataclass(frozen=True)
class End:
    """When something goes, and by whose days."""

    at: datetime
    decided: EffectivePeriod


def preview(actor: Actor, owner: PeriodOwner, audio_days: int | None, text_days: int | None) -> Preview:
    """Returns what a folder or tag with other days has deleted. Raises PermissionDenied and InvalidOption."""
    actor.require(MANAGE)
    _require_days(audio_days=audio_days, text_days=text_days)
    audio = RetentionPeriod.of(actor.tenant, AUDIO).changed(owner, audio_days)
    text = RetentionPeriod.of(actor.tenant, TEXT).changed(owner, text_days)
    here, texts_here = (periods.within(type(owner), [owner.id], path) for path in ("", "recording"))
    return Preview(
        audio=retention.old_audio(actor.tenant, audio).filter(here).count(),
        text=retention.old_text(actor.tenant, text).filter(texts_here).count(),
        held=Recording.objects.filter(here, tenant=actor.tenant).exclude(held_at=None).count(),
    )


def set_days(actor: Actor, owner: PeriodOwner, audio_days: int | None, text_days: int | None) -> None:
    """Gives a folder or a tag days of its own; None leaves it to the others.

    Raises PermissionDenied, InvalidOption, and Http404 for one that is gone.
    """
    actor.require(MANAGE)
    actor.require_in_person()
    _require_days(audio_days=audio_days, text_days=text_days)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        goes = preview(actor, owner, audio_days, text_days)
        rows = type(owner).objects.filter(id=owner.id)
        if not rows.update(audio_retention_days=audio_days, text_retention_days=text_days):
            raise Http404(_("It was deleted meanwhile."))
        action = "folder.retention_changed" if isinstance(owner, Folder) else "tag.retention_changed"
        days = {"audio_days": audio_days, "text_days": text_days}
        audit.record(actor, action, owner, name=owner.name, **days, audio=goes.audio, texts=goes.text)
    owner.audio_retention_days, owner.text_retention_days = audio_days, text_days


def audio_ends(row: Recording) -> End | None:
    """Returns when a recording's audio goes; None where it stays, or has gone already."""
    if row.held_at is not None or row.audio_deleted_at is not None:
        return None
    return _end(row, AUDIO, row.created_at)


def text_ends(row: Recording, latest: Transcription | None) -> End | None:
    """Returns when the text goes; None where it stays, has gone already, or isn't finished yet."""
    if row.held_at is not None or latest is None or latest.text_deleted_at is not None or latest.finished_at is None:
        return None
    return _end(row, TEXT, latest.finished_at)


def _end(row: Recording, field: str, since: datetime) -> End | None:
    decided = periods.effective_period(row, field)
    return End(periods.ends_at(since, decided.days), decided) if decided else None


def _require_days(**days: int | None) -> None:
    """Raises InvalidOption."""
    for name, number in days.items():
        if number is not None and not 1 <= number <= MOST_DAYS:
            message = _("It must be from 1 to %(most)d days, or left out.") % {"most": MOST_DAYS}
            raise InvalidOption(name, message)
