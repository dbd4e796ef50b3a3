"""Makes, lists, keeps and revokes links; functions take an actor, and others' links raise Http404."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tenants import audit, scope
from tenants.access import Actor
from tenants.models import Quota, Tenant, User
from tenants.shortcuts import first_or_404
from tenants.throttle import Limit
from transcription import tenant_lock
from transcription.errors import InvalidOption, Refused
from transcription.folders.visibility import among, seen
from transcription.library import recordings
from transcription.media import storage
from transcription.models import Recording
from transcription.shares import sound
from transcription.shares.guests import GIVES
from transcription.shares.models import LONGEST_LABEL, Level, Share, lasting, open_ones, with_makers
from transcription.shares.secrets import digest_of, guest_secret
from transcription.shares.text import newest

SHARE = "shares.create"
MANAGE = "shares.manage"
LIFETIME = timedelta(days=30)
LONGEST_LIFETIME = timedelta(days=3 * 366)
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 200
MOST_OPENINGS = 1_000_000
MOST_LIVE = 100
MOST_WITH_OWN_SOUND = 20
MOST_ORIGINS = 20
MOST_GUESTS = 20
LONGEST_EMAIL = 120
MAILS = Limit("share links of an organisation by e-mail", 200, 86_400)
MAILS_TO_ONE = Limit("share links of an organisation to an address", 10, 86_400)
ORIGIN = re.compile(r"(https?://[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::[0-9]{1,5})?)/?", re.ASCII)
SHORTEST_EXCERPT = 0.5
ADDRESS = Coalesce("created_by__email", "made_by")


def usual_expiry() -> datetime:
    return timezone.now() + LIFETIME


@dataclass(frozen=True)
class LinkOptions:
    """What a new link is to be. Without `expires_at` it lasts until it is revoked; `start` alone goes to the end."""

    label: str = ""
    expires_at: datetime | None = field(default_factory=usual_expiry)
    password: str = ""
    most_openings: int | None = None
    with_sound: bool = True
    with_download: bool = False
    start: float | None = None
    end: float | None = None
    level: str = Level.VIEW
    origins: Sequence[str] = ()
    email: str = ""


@dataclass(frozen=True)
class Shown:
    """A link with its secret, which is shown only once; empty for a guest's, by which the guest proves the address."""

    share: Share
    secret: str


def create(actor: Actor, recording_id: UUID, wanted: LinkOptions) -> Shown:
    """Makes a link to a recording. Raises PermissionDenied, Http404, InvalidOption and Refused."""
    recording = _recording(actor, recording_id, wanted)
    row, secret = _built(actor, recording, wanted, _hashed(wanted.password))
    with transaction.atomic():
        _save(actor, row)
    return Shown(get(actor, row.id), "" if row.email else secret)


def invite(actor: Actor, recording_id: UUID, wanted: LinkOptions, emails: Sequence[str]) -> list[Share]:
    """Makes a link of their own for each address, all of them or none. Raises as `create` does."""
    recording = _recording(actor, recording_id, wanted)
    addresses = list(dict.fromkeys(map(_email, emails)))
    if len(addresses) > MOST_GUESTS:
        raise InvalidOption("email", _("At most %(most)d people at once.") % {"most": MOST_GUESTS})
    password = _hashed(wanted.password)
    rows = [_built(actor, recording, replace(wanted, email=one), password)[0] for one in addresses]
    with transaction.atomic():
        for row in rows:
            _save(actor, row)
    return [get(actor, row.id) for row in rows]


def _recording(actor: Actor, recording_id: UUID, wanted: LinkOptions) -> Recording:
    """Returns what is to be shared. Raises PermissionDenied where the actor may not do what the link would let do."""
    actor.require(SHARE)
    recording = recordings.recording(actor, recording_id, permission=SHARE)
    for permission in sorted(GIVES[_level(wanted.level)]):
        among(actor, recording.folder).require(permission)
    return recording


def _built(actor: Actor, recording: Recording, wanted: LinkOptions, password: str) -> tuple[Share, str]:
    """Returns a link that is not saved yet, and its secret. Raises InvalidOption."""
    share_id, email, maker = uuid4(), _email(wanted.email), _maker_of(actor)
    secret = guest_secret(share_id) if email else secrets.token_urlsafe(24)
    row = Share(
        id=share_id,
        email=email,
        language=translation.get_language() or settings.LANGUAGE_CODE,
        mail_after=timezone.now() if email else None,
        tenant=actor.tenant,
        recording=recording,
        label=_label(wanted.label),
        level=_level(wanted.level),
        digest=digest_of(secret),
        password=password,
        created_by=maker,
        made_by=maker.email if maker else "",
        api_key=actor.key,
        expires_at=_expiry(wanted.expires_at),
        most_openings=_openings(wanted.most_openings),
        with_sound=wanted.with_sound,
        with_download=wanted.with_download,
        origins=_origins(wanted),
        **_excerpt(wanted, recording),
    )
    return row, secret


def _save(actor: Actor, row: Share) -> None:
    """Saves a new link, in a transaction. Raises Refused, PermissionDenied and Http404."""
    tenant_lock.lock_for_adding(actor.tenant.id)  # so that two who share at once can't pass the limit together
    recordings.recording(actor, row.recording_id, permission=SHARE)  # it may have been moved meanwhile
    _require_sharing(actor)
    if row.email:
        _require_guests(actor, row.email)
    if Share.objects.filter(open_ones(), recording=row.recording).count() >= MOST_LIVE:
        message = _("There are %(n)d links to this recording already. Revoke those that nobody needs.")
        raise Refused("too_many_shares", message % {"n": MOST_LIVE})
    _require_room_for_sound(row)
    row.save(force_insert=True)
    audit.record(actor, "share.created", row, recording=str(row.recording_id), **_facts(row))


def of_recording(actor: Actor, recording_id: UUID, only_open: bool = False) -> QuerySet[Share]:
    """Returns the links to a recording, newest first; all, or those that work. Raises PermissionDenied and Http404."""
    actor.require(SHARE)
    recording = recordings.recording(actor, recording_id, permission=SHARE)
    rows = Share.objects.filter(open_ones() if only_open else Q(), recording=recording)
    return with_makers(rows).order_by("-created_at", "-id")


def foremost_of_recording(actor: Actor, recording_id: UUID) -> list[Share]:
    """Returns the links to a recording that have not ended, all of them, before others. Raises as `of_recording`."""
    rows = of_recording(actor, recording_id).alias(lasts=ExpressionWrapper(lasting(), BooleanField()))
    return list(rows.order_by("-lasts", "-created_at", "-id")[:MOST_LIVE])


def every(actor: Actor, maker: str = "", only_open: bool = False) -> QuerySet[Share]:
    """Returns the links of the organisation, newest first; of one maker's address, or those that work."""
    actor.require(MANAGE)
    rows = _of_maker(actor, maker) if maker else Share.objects.filter(tenant=actor.tenant)
    rows = rows.filter(seen(actor, "recording"), recording__deleted_at=None)
    if only_open:
        rows = rows.filter(open_ones())
    return with_makers(rows).order_by("-created_at", "-id")


def makers(actor: Actor) -> list[str]:
    """Returns the addresses of those who made links, in the order of the alphabet."""
    known = every(actor).order_by().values_list(ADDRESS, flat=True).distinct()
    return sorted(filter(None, known))


def get(actor: Actor, share_id: UUID) -> Share:
    """Returns a link. Raises PermissionDenied and Http404."""
    actor.require(SHARE)
    rows = Share.objects.filter(seen(actor, "recording"), tenant=actor.tenant, id=share_id)
    rows = rows.filter(recording__deleted_at=None).select_related("recording__folder")
    found = first_or_404(with_makers(rows), _("There is no such link."))
    among(actor, found.recording.folder).require(SHARE)
    return found


def revoke(actor: Actor, share_id: UUID) -> Share:
    """Ends a link for good; the next request by it is refused. Raises PermissionDenied and Http404."""
    row = get(actor, share_id)
    revoke_all(actor, Share.objects.filter(id=row.id))
    return get(actor, share_id)


def revoke_of(actor: Actor, maker: str) -> int:
    """Ends all links that somebody made to recordings that the actor sees, by their address, and returns how many.

    Those of deleted recordings, too: undo would bring them back. Raises PermissionDenied.
    """
    actor.require(MANAGE)
    return revoke_all(actor, _of_maker(actor, maker).filter(seen(actor, "recording"))) if maker else 0


def keep(actor: Actor, share_id: UUID) -> Share:
    """Lets a link outlive its maker's leaving. Raises PermissionDenied and Http404."""
    actor.require(MANAGE)
    row = get(actor, share_id)
    keep_all(actor, Share.objects.filter(id=row.id))
    return get(actor, share_id)


def revoke_all(actor: Actor, rows: QuerySet[Share]) -> int:
    """Ends those of `rows` that are not revoked; checks no permission."""
    with transaction.atomic():
        ended = 0
        for row in rows.filter(revoked_at=None):
            if Share.objects.filter(id=row.id, revoked_at=None).update(revoked_at=timezone.now()):
                audit.record(actor, "share.revoked", row, recording=str(row.recording_id), label=row.label)
                transaction.on_commit(partial(_drop_sound, row.tenant_id, row.id))
                ended += 1
    return ended


def _drop_sound(tenant_id: UUID, share_id: UUID) -> None:
    """Deletes the copy of a revoked link. Whoever is just making one writes it to the link no more."""
    with scope.bound(tenant_id):
        row = Share.objects.filter(id=share_id).first()
        if row is not None:
            storage.discard(sound.own_key(row, row.fence))
            sound.drop(row)


def keep_all(actor: Actor, rows: QuerySet[Share]) -> int:
    """Keeps those of `rows` that are neither revoked nor kept; checks no permission."""
    with transaction.atomic():
        kept = 0
        for row in rows.filter(revoked_at=None, kept_at=None):
            if rows.filter(id=row.id, revoked_at=None, kept_at=None).update(kept_at=timezone.now()):
                audit.record(actor, "share.kept", row, recording=str(row.recording_id), made_by=row.made_by)
                kept += 1
    return kept


def _of_maker(actor: Actor, address: str) -> QuerySet[Share]:
    """Returns the links of one maker, by the address that they have now, or had when their account was deleted."""
    rows = Share.objects.filter(tenant=actor.tenant)
    return rows.alias(address=ADDRESS).filter(address=address) if "\x00" not in address else rows.none()


def _maker_of(actor: Actor) -> User | None:
    """Returns the member behind the actor; None for a key that nobody who is a member has made."""
    if actor.key is None:
        return actor.user
    return actor.key.created_by if actor.key.maker == "member" else None


def _require_guests(actor: Actor, email: str) -> None:
    """Raises Refused where no guests are wanted, or too many mails were sent."""
    if not Tenant.objects.filter(id=actor.tenant.id, allows_guests=True).exists():
        raise Refused("sharing_off", _("Your organisation sends no links by e-mail."))
    if not (MAILS_TO_ONE.take(str(actor.tenant.id), email) and MAILS.take(str(actor.tenant.id))):
        message = _("Too many links were sent to %(email)s, or in one day. Try again later.")
        raise Refused("too_many_mails", message % {"email": email})


def _require_sharing(actor: Actor) -> None:
    if Quota.objects.filter(tenant=actor.tenant, includes_sharing=False).exists():
        raise Refused("sharing_off", _("Share links are no part of your organisation’s plan."))
    if not Tenant.objects.filter(id=actor.tenant.id, allows_sharing=True).exists():
        message = _("Your organisation shares nothing by links. Owners and admins can change that in its settings.")
        raise Refused("sharing_off", message)


def _require_room_for_sound(row: Share) -> None:
    """Raises Refused where too many links of a recording have a copy of their own, each of which takes room."""
    if not row.with_sound or not sound.needs_own(row, newest(row)):
        return
    alike = Q(start__isnull=row.start is None)
    others = Share.objects.filter(open_ones(), alike | ~Q(sound_key=""), recording=row.recording, with_sound=True)
    if others.count() >= MOST_WITH_OWN_SOUND:
        message = _(
            "There are %(n)d links with a sound of their own to this recording already. Revoke those that nobody "
            "needs, or make one without sound."
        )
        raise Refused("too_many_shares", message % {"n": MOST_WITH_OWN_SOUND})


def _facts(row: Share) -> dict[str, Any]:
    return {
        "label": row.label,
        "level": row.level,
        "email": row.email,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        "protected": bool(row.password),
        "most_openings": row.most_openings,
        "with_sound": row.with_sound,
        "with_download": row.with_download,
        "origins": row.origins,
        "excerpt": f"{row.start}–{row.end}" if row.excerpt else None,
    }


def _label(given: str) -> str:
    label = " ".join(given.split())
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise InvalidOption("label", _("The label must have at most %(n)d characters.") % {"n": LONGEST_LABEL})
    return label


def _email(given: str) -> str:
    """Returns a guest's address as those of people are kept; empty for whoever has the link. Raises InvalidOption."""
    if not given.strip():
        return ""
    email = User.objects.normalize_email(given.strip())
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidOption("email", _("“%(typed)s” is no e-mail address.") % {"typed": given[:80]}) from None
    if len(email) > LONGEST_EMAIL:
        raise InvalidOption("email", _("The address is too long."))
    return email


def _level(given: str) -> str:
    if given not in Level.values:
        raise InvalidOption("level", _("It must be one of: %(known)s.") % {"known": ", ".join(Level.values)})
    return given


def _hashed(password: str) -> str:
    if not password:
        return ""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        message = _("The password must have %(least)d to %(most)d characters.")
        raise InvalidOption("password", message % {"least": SHORTEST_PASSWORD, "most": LONGEST_PASSWORD})
    return make_password(password)


def _expiry(given: datetime | None) -> datetime | None:
    if given is not None and not timezone.now() < given <= timezone.now() + LONGEST_LIFETIME:
        raise InvalidOption("expires_at", _("The expiry must be in the future, and within three years."))
    return given


def _openings(given: int | None) -> int | None:
    if given is not None and not 1 <= given <= MOST_OPENINGS:
        raise InvalidOption("most_openings", _("It must be a number from 1 to %(n)d.") % {"n": MOST_OPENINGS})
    return given


def _origins(wanted: LinkOptions) -> list[str]:
    """Raises InvalidOption. A browser sends no cookie of ours to a page within another site's."""
    origins = list(dict.fromkeys(map(_origin, wanted.origins)))
    if len(origins) > MOST_ORIGINS:
        raise InvalidOption("origins", _("There can be at most %(n)d sites.") % {"n": MOST_ORIGINS})
    if origins and GIVES[_level(wanted.level)]:
        message = _("A link to comment or to correct can’t be embedded: everybody who sees that site would have it.")
        raise InvalidOption("origins", message)
    if origins and (wanted.password or wanted.most_openings is not None or wanted.email):
        message = _("A link with a password, or a limited number of openings, can’t be embedded, nor can a guest’s.")
        raise InvalidOption("origins", message)
    return origins


def _origin(given: str) -> str:
    found = ORIGIN.fullmatch(given.strip().lower())
    if found is None:
        message = _("“%(text)s” is no site. Write it as in https://acme.example, without a path.")
        raise InvalidOption("origins", message % {"text": given[:100]})
    return found[1]


def _excerpt(wanted: LinkOptions, recording: Recording) -> dict[str, float | None]:
    """Returns the columns of an excerpt, which ends with the recording at the latest. Raises InvalidOption."""
    if wanted.start is None and wanted.end is None:
        return {"start": None, "end": None}
    start, end = wanted.start or 0.0, recording.duration_seconds if wanted.end is None else wanted.end
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0):
        raise InvalidOption("start", _("Give seconds of the recording, from 0 on."))
    end = min(end, recording.duration_seconds)
    if end - start < SHORTEST_EXCERPT:
        raise InvalidOption("end", _("The excerpt must end after it begins, and within the recording."))
    return {"start": start, "end": end}
