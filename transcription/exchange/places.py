"""Access to a tenant's places: functions take an actor who may manage rules; others' places raise Http404."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.encryption import ciphers
from tenants.shortcuts import first_or_404
from transcription import leases, tenant_lock
from transcription.errors import InvalidOption, Refused
from transcription.exchange import disk
from transcription.exchange.models import Arrival, Place
from transcription.folders import folders
from transcription.outbound import imap, s3
from transcription.outbound.errors import OutboundError
from transcription.outbound.imap import Mailbox
from transcription.outbound.s3 import Bucket
from transcription.scripts import one_line, without_turns

PERMISSION = "rules.manage"
SALT = "transcription.exchange.places"
MOST_PLACES = 20
LONGEST = {
    **{"name": 80, "path": 200, "endpoint": 500, "bucket": 100, "region": 40, "key_id": 200, "secret": 200},
    **{"senders": 4000, "authserv_id": 200, "folder": 100},
}
BACKOFF = leases.Backoff((5, 30, 120, 300))
"""How long a place that fails is left alone."""
OF_BUCKETS = ("endpoint", "bucket", "region", "key_id")
OF_MAILBOXES: dict[str, Any] = {"senders": "", "trust": Place.Trust.DMARC, "authserv_id": "", "folder": None}
"""What only mailboxes have, and the others instead."""
WHERE = {"kind", "path", "endpoint", "bucket"}
SETTINGS = ("name", "kind", "path", *OF_BUCKETS, "sealed_secret", *OF_MAILBOXES, "is_watched", "is_paused")
SENDER = re.compile(r"(?:[^@\s,;<>\"]+@|@)?((?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+)")


@dataclass(frozen=True)
class PlaceSettings:
    """The settings of a place. An empty `secret` keeps the one that there is."""

    name: str
    kind: str
    path: str = ""
    endpoint: str = ""
    bucket: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = field(default="", repr=False)
    is_watched: bool = False
    is_paused: bool = False
    senders: str = ""
    trust: str = Place.Trust.DMARC.value
    authserv_id: str = ""
    folder: str = ""

    @classmethod
    def of(cls, row: Place) -> PlaceSettings:
        """Returns the settings that a place has."""
        own = {one.name: getattr(row, one.name) for one in fields(cls) if one.name not in ("secret", "folder")}
        return cls(**own, folder=str(row.folder_id or ""))


def visible(actor: Actor) -> list[Place]:
    """Returns the tenant's places by their names, at most MOST_PLACES."""
    actor.require(PERMISSION)
    return list(Place.objects.filter(tenant=actor.tenant))


def get(actor: Actor, place_id: UUID) -> Place:
    """Raises Http404."""
    actor.require(PERMISSION)
    return first_or_404(
        Place.objects.filter(tenant=actor.tenant, id=place_id), _("There is no such folder, bucket or mailbox.")
    )


def create(actor: Actor, wanted: PlaceSettings) -> Place:
    """Makes a place; connects to nothing. Raises InvalidOption and Refused."""
    actor.require(PERMISSION)
    row = Place(tenant=actor.tenant)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        if len(visible(actor)) >= MOST_PLACES:
            message = _("There are %(n)d folders, buckets and mailboxes, which is the most.") % {"n": MOST_PLACES}
            raise Refused("too_many_places", message)
        _keep(actor, row, wanted)
        row.save(force_insert=True)
        audit.record(actor, "place.created", row, **_told(row))
    return row


def change(actor: Actor, place_id: UUID, wanted: PlaceSettings) -> Place:
    """Changes a place; what failed is tried again at once. Raises Http404, InvalidOption and Refused."""
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row = get(actor, place_id)
        before = copy(row)
        _keep(actor, row, wanted)
        changed = [name for name in SETTINGS if getattr(row, name) != getattr(before, name)]
        if _where(row) & set(changed):
            _leave(row)
        row.failures, row.last_error, row.not_before, row.next_look_at = 0, "", Now(), Now()
        row.save()
        if changed:
            audit.record(actor, "place.changed", row, fields=changed, **_told(row))
    return get(actor, place_id)


def change_some(actor: Actor, place_id: UUID, changes: Mapping[str, Any]) -> Place:
    """Changes these settings, by their names in PlaceSettings, and no others. Raises what `change` raises."""
    if not changes:
        return get(actor, place_id)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        return change(actor, place_id, replace(PlaceSettings.of(get(actor, place_id)), **changes))


def delete(actor: Actor, place_id: UUID) -> None:
    """Deletes a place with what waits for it; what lies there stays. Raises Http404."""
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = get(actor, place_id)
        audit.record(actor, "place.deleted", row, name=row.name)
        row.delete()


def bucket_of(row: Place) -> Bucket:
    """Raises OutboundError."""
    return Bucket(row.endpoint, row.bucket, row.region, row.key_id, _secret_of(row))


def mailbox_of(row: Place) -> Mailbox:
    """Raises OutboundError."""
    return Mailbox(row.endpoint, row.key_id, _secret_of(row), row.path)


def _secret_of(row: Place) -> str:
    """Raises OutboundError where it was encrypted with a SECRET_KEY that is not configured any more."""
    try:
        return ciphers(SALT).decrypt(row.sealed_secret).decode()
    except InvalidToken:
        message = _("The server’s SECRET_KEY was changed, and the secret or password with it. Enter it again.")
        raise OutboundError("secret_lost", message) from None


def key_of(row: Place, part: str, name: str = "") -> str:
    """Returns the key of an object in a part (`disk.IN`, `OUT`, …) of a bucket's place."""
    prefix = f"{row.path}/" if row.path else ""
    return f"{prefix}{part}/{name}"


def failed(row: Place, reason: str) -> None:
    """Leaves a place alone for a while."""
    pause = timedelta(seconds=BACKOFF.after(row.failures + 1))
    held = {"failures": F("failures") + 1, "not_before": Now() + pause, "last_error": reason}
    Place.objects.filter(id=row.id, not_before__lte=Now()).update(**held)


def works(row: Place) -> None:
    Place.objects.filter(id=row.id, failures__gt=0).update(failures=0, last_error="")


def resume(row: Place) -> None:
    """Has what waits for a place tried at once, as it works."""
    Place.objects.filter(id=row.id).update(failures=0, last_error="", not_before=Now(), next_look_at=Now())


def _told(row: Place) -> dict[str, Any]:
    """Returns what the audit log says of a place."""
    told = {"name": row.name, "kind": row.kind, "watched": row.is_watched, "paused": row.is_paused, "path": row.path}
    return told | ({"host": urlsplit(row.endpoint).netloc, "bucket": row.bucket} if row.endpoint else {})


def _leave(row: Place) -> None:
    """Forgets what waits at a place, which is found again if it is there.

    What was taken in and still lies there would be taken in again once the place is where it was: raises InvalidOption.
    """
    here = Arrival.objects.filter(place=row)
    here.filter(state=Arrival.State.WAITING).delete()
    if here.filter(state__in=(Arrival.State.ACCEPTED, Arrival.State.REFUSED)).exists():
        message = _("What was taken in still lies there. Wait until it is moved, or move it away.")
        raise InvalidOption("path", message)


def _where(row: Place) -> set[str]:
    """Returns the settings that say which place it is."""
    return WHERE | ({"key_id"} if row.kind == Place.Kind.MAILBOX else set())


def _keep(actor: Actor, row: Place, wanted: PlaceSettings) -> None:
    """Raises InvalidOption."""
    values: dict[str, Any] = {name: _text(name, value) for name, value in vars(wanted).items() if name in LONGEST}
    if not values["name"]:
        raise InvalidOption("name", _("Give it a name."))
    if wanted.kind not in Place.Kind.values:
        raise InvalidOption("kind", _("It must be one of: %(known)s.") % {"known": ", ".join(Place.Kind.values)})
    if row.kind and Place.Kind.MAILBOX in {row.kind, wanted.kind} and row.kind != wanted.kind:
        raise InvalidOption("kind", _("A mailbox takes no exports and stays one: make a new one for another kind."))
    secret = values.pop("secret")
    values |= {name: getattr(wanted, name) for name in ("kind", "is_watched", "is_paused")}
    if wanted.kind == Place.Kind.MAILBOX:
        values |= {"bucket": "", "region": "", "is_watched": True, "trust": wanted.trust}
        _check_mailbox(actor, row, values, secret)
    else:
        values |= {"path": disk.checked_path(values["path"]), **OF_MAILBOXES}
    if wanted.kind == Place.Kind.BUCKET:
        _check_bucket(row, values, secret)
    elif wanted.kind == Place.Kind.FOLDER:
        if not disk.is_allowed():
            raise InvalidOption("kind", _("Whoever runs the portal gives organisations no folders (EXCHANGE_ROOT)."))
        values |= dict.fromkeys(OF_BUCKETS, "")
        row.sealed_secret = ""
    for name, value in values.items():
        setattr(row, name, value)
    if secret and row.kind != Place.Kind.FOLDER:
        row.sealed_secret = ciphers(SALT).encrypt(secret.encode()).decode()
    _require_own_place(row)


def _check_bucket(row: Place, values: dict[str, Any], secret: str) -> None:
    """Checks and completes the settings of a bucket; another service gets no secret of this one.

    Raises InvalidOption.
    """
    try:
        values["endpoint"] = s3.checked_endpoint(values["endpoint"])
    except OutboundError as error:
        raise InvalidOption("endpoint", str(error), error.code) from error
    values["region"] = values["region"] or "us-east-1"
    if not values["bucket"] or "/" in values["bucket"]:
        raise InvalidOption("bucket", _("Enter the name of the bucket."))
    if not values["key_id"]:
        raise InvalidOption("key_id", _("Enter the access key’s id."))
    _require_secret(row, values, secret, _("Enter the secret of the access key."))


def _check_mailbox(actor: Actor, row: Place, values: dict[str, Any], secret: str) -> None:
    """Checks and completes the settings of a mailbox. Raises InvalidOption."""
    try:
        values["endpoint"] = imap.checked_endpoint(values["endpoint"])
    except OutboundError as error:
        raise InvalidOption("endpoint", str(error), error.code) from error
    is_inbox = values["path"].upper() in ("", "INBOX")  # which servers know in any case
    values["path"] = "INBOX" if is_inbox else values["path"]
    last = values["path"].rpartition("/")[2].rpartition(".")[2].casefold()
    if last in (imap.DONE.casefold(), imap.FAILED.casefold()):
        raise InvalidOption("path", _("Messages are moved to this folder: name the one that they come to."))
    if not values["key_id"]:
        raise InvalidOption("key_id", _("Enter the user of the mailbox."))
    _require_secret(row, values, secret, _("Enter the password of the mailbox."))
    values["senders"] = _checked_senders(values["senders"])
    if values["trust"] not in Place.Trust.values:
        known = {"known": ", ".join(Place.Trust.values)}
        raise InvalidOption("trust", _("It must be one of: %(known)s.") % known)
    if values["trust"] == Place.Trust.DMARC and not values["authserv_id"]:
        message = _("Enter the name by which the receiving server signs “Authentication-Results”.")
        raise InvalidOption("authserv_id", message)
    if values["trust"] != Place.Trust.DMARC:
        values["authserv_id"] = ""
    named = values.pop("folder")
    values["folder"] = folders.chosen(actor, named) if named else None
    if values["folder"] is not None and values["folder"].is_private:
        raise InvalidOption("folder", _("There is no folder “%(name)s”.") % {"name": named})


def _checked_senders(text: str) -> str:
    """Returns addresses and domains with spaces between them. Raises InvalidOption."""
    found = [one.lower() for one in re.split(r"[\s,;]+", text) if one]
    for one in found:
        if not SENDER.fullmatch(one):
            message = _("“%(text)s” is neither an address nor a domain.") % {"text": one[:100]}
            raise InvalidOption("senders", message)
    if not found:
        raise InvalidOption("senders", _("Say who may send recordings: addresses, or whole domains."))
    return " ".join(dict.fromkeys(one.removeprefix("@") for one in found))


def _require_secret(row: Place, values: dict[str, Any], secret: str, message: str) -> None:
    """Raises InvalidOption where there is none for this service and user."""
    is_same = row.sealed_secret and (row.endpoint, row.key_id) == (values["endpoint"], values["key_id"])
    if not secret and not is_same:
        raise InvalidOption("secret", message)


def _require_own_place(row: Place) -> None:
    """Raises InvalidOption for what another place of the tenant is: files would come from it twice."""
    others = Place.objects.filter(tenant=row.tenant, kind=row.kind).exclude(id=row.id)
    if any(_identity(one) == _identity(row) for one in others):
        raise InvalidOption("path", _("There is this folder, bucket or mailbox already."))


def _identity(row: Place) -> tuple[str, ...]:
    """Returns what no other place of the tenant and of its kind has."""
    if row.kind != Place.Kind.MAILBOX:
        return row.path, row.endpoint, row.bucket
    url = urlsplit(row.endpoint)
    port = "" if url.port in (None, 143, 993) else str(url.port)
    return (url.hostname or "").lower(), port, row.key_id.casefold(), row.path


def _text(name: str, sent: str) -> str:
    """Raises InvalidOption."""
    text = one_line(without_turns(sent))
    if len(text) > LONGEST[name]:
        raise InvalidOption(name, _("It is longer than %(n)d characters.") % {"n": LONGEST[name]})
    return text
