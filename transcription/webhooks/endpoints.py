"""Access to a tenant's endpoints: functions take an actor who may manage them; others' endpoints raise Http404."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit, scope
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption, Refused
from transcription.outbound import requests
from transcription.outbound.errors import OutboundError
from transcription.webhooks import events, signing
from transcription.webhooks.models import SUBSCRIBABLE, Delivery, Endpoint

log = logging.getLogger(__name__)
MOST = 20
LONGEST_DESCRIPTION = 200
OLD_SECRET_SIGNS = timedelta(hours=24)
PERMISSION = "webhooks.manage"


@dataclass(frozen=True)
class Shown:
    """An endpoint with its secret, which is shown only once."""

    endpoint: Endpoint
    secret: str


def visible(actor: Actor) -> list[Endpoint]:
    """Returns the tenant's endpoints, the oldest first, at most MOST."""
    actor.require(PERMISSION)
    return list(Endpoint.objects.filter(tenant=actor.tenant, deleted_at=None))


def get(actor: Actor, endpoint_id: UUID) -> Endpoint:
    """Returns an endpoint. Raises Http404."""
    actor.require(PERMISSION)
    return first_or_404(
        Endpoint.objects.filter(tenant=actor.tenant, id=endpoint_id, deleted_at=None), _("There is no such webhook.")
    )


def running(actor: Actor, endpoint_id: UUID) -> Endpoint:
    """Returns an endpoint that is not paused. Raises Http404 and Refused."""
    found = get(actor, endpoint_id)
    if found.is_paused:
        raise Refused("paused", _("This webhook is paused. Resume it first."))
    return found


def create(
    actor: Actor, url: str, description: str = "", events: Sequence[str] = (), only_by_rules: bool = False
) -> Shown:
    """Creates an endpoint; resolves the URL's host, and connects to nothing. Raises InvalidOption and Refused."""
    actor.require(PERMISSION)
    endpoint_id = uuid4()
    made = signing.make(endpoint_id)
    row = Endpoint(
        id=endpoint_id,
        tenant=actor.tenant,
        url=_url(url),
        description=_description(description),
        events=_events(events),
        only_by_rules=only_by_rules,
        salt=made.salt,
        digest=made.digest,
    )
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)  # so that two who create at once can't pass the limit together
        if Endpoint.objects.filter(tenant=actor.tenant, deleted_at=None).count() >= MOST:
            message = _("There are %(n)d webhooks already. Delete one first.")
            raise Refused("too_many_webhooks", message % {"n": MOST})
        row.save(force_insert=True)
        audit.record(actor, "webhook.created", row, events=row.events)
    return Shown(row, made.secret)


def change(
    actor: Actor,
    endpoint_id: UUID,
    url: str | None = None,
    description: str | None = None,
    events: Sequence[str] | None = None,
    only_by_rules: bool | None = None,
) -> Endpoint:
    """Changes what is given. A new URL resets the count of failures. Raises InvalidOption and Http404."""
    row = get(actor, endpoint_id)
    changes: dict[str, object] = {}
    if url is not None and url != row.url:
        changes |= {"url": _url(url), "failures": 0, "failing_since": None, "not_before": Now()}
    if description is not None:
        changes["description"] = _description(description)
    if events is not None:
        changes["events"] = _events(events)
    if only_by_rules is not None:
        changes["only_by_rules"] = only_by_rules
    if changes:
        _keep(actor, row, changes, fields=sorted(changes))
    return get(actor, endpoint_id)


def pause(actor: Actor, endpoint_id: UUID) -> Endpoint:
    """Pauses an endpoint: its events are kept, and sent when it is resumed. Raises Http404."""
    row = get(actor, endpoint_id)
    with transaction.atomic():
        pause_because(row.id, Endpoint.Pause.BY_HAND)
        audit.record(actor, "webhook.changed", row, paused=True)
    return get(actor, endpoint_id)


def resume(actor: Actor, endpoint_id: UUID) -> Endpoint:
    """Resumes an endpoint: waiting deliveries are due now, with all their attempts. Raises Http404."""
    row = get(actor, endpoint_id)
    with transaction.atomic():
        waiting = Delivery.objects.filter(endpoint=row, state=Delivery.State.PENDING)
        waiting.update(next_attempt_at=Now(), attempts_made=0, fence=F("fence") + 1)
        Endpoint.objects.filter(id=row.id).update(
            paused_at=None, pause="", failures=0, failing_since=None, not_before=Now()
        )
        audit.record(actor, "webhook.changed", row, paused=False)
    return get(actor, endpoint_id)


def rotate(actor: Actor, endpoint_id: UUID) -> Shown:
    """Makes a new secret; the old one signs, too, for OLD_SECRET_SIGNS. Raises Http404."""
    row = get(actor, endpoint_id)
    made = signing.make(row.id)
    changes: dict[str, object] = {
        "salt": made.salt,
        "digest": made.digest,
        "old_salt": F("salt"),
        "old_digest": F("digest"),
        "old_until": timezone.now() + OLD_SECRET_SIGNS,
    }
    _keep(actor, row, changes, fields=["secret"])
    return Shown(get(actor, endpoint_id), made.secret)


def test(actor: Actor, endpoint_id: UUID) -> Delivery:
    """Creates a test event. Raises Http404 and Refused."""
    row = running(actor, endpoint_id)
    with transaction.atomic():
        Endpoint.objects.filter(id=row.id).update(not_before=Now())
        return events.test_of(row)


def delete(actor: Actor, endpoint_id: UUID) -> None:
    """Deletes an endpoint; the sweeper deletes its row and log an hour later. Raises Http404."""
    row = get(actor, endpoint_id)
    with transaction.atomic():
        if Endpoint.objects.filter(id=row.id, deleted_at=None).update(deleted_at=timezone.now()):
            audit.record(actor, "webhook.deleted", row)


def _keep(actor: Actor, row: Endpoint, changes: dict[str, object], fields: list[str]) -> None:
    """Updates an endpoint, and records who did."""
    with transaction.atomic():
        if Endpoint.objects.filter(id=row.id, deleted_at=None).update(**changes):
            audit.record(actor, "webhook.changed", row, fields=fields)


def pause_because(endpoint_id: UUID, reason: str) -> None:
    paused = Endpoint.objects.filter(id=endpoint_id, paused_at=None)
    if paused.update(paused_at=timezone.now(), pause=reason) and reason != Endpoint.Pause.BY_HAND:
        log.warning("Webhook %s was paused: %s", endpoint_id, reason)


def why_paused(row: Endpoint) -> str:
    """Returns the cause and the way out, for people; empty if the endpoint is not paused."""
    reasons: dict[str, str] = {
        Endpoint.Pause.BY_HAND: _("Somebody paused it. Its events are kept and sent when you resume it."),
        Endpoint.Pause.GONE: _(
            "The receiver answered 410 Gone: it wants no more events. Correct the URL if that was a mistake, and "
            "resume it: its events are kept."
        ),
        Endpoint.Pause.FAILING: _(
            "The receiver has not taken a single event for about three days. Mend it, send a test event after you have "
            "resumed it, and what waits is sent."
        ),
    }
    return reasons.get(row.pause, "")


def troubled() -> tuple[int, int]:
    """Returns how many endpoints of all tenants are paused for failing, and how many fail, for the metrics."""
    with scope.across_tenants("the installation is counted as a whole"):
        rows = Endpoint.objects.filter(deleted_at=None)
        paused = rows.filter(pause__in=(Endpoint.Pause.GONE, Endpoint.Pause.FAILING))
        return paused.count(), rows.filter(paused_at=None, failures__gt=0).count()


def untrusted() -> int:
    """Returns how many endpoints of all tenants fail for their receiver's certificate."""
    with scope.across_tenants("the installation is counted as a whole"):
        waiting = Delivery.objects.filter(endpoint=OuterRef("pk"), state=Delivery.State.PENDING, last_error="tls")
        rows = Endpoint.objects.filter(Exists(waiting), deleted_at=None, paused_at=None, failures__gt=0)
        return rows.count()


def keys_of(row: Endpoint) -> list[bytes]:
    """Returns the keys that sign now: the new one, and for a day the old one unless it is lost. Raises SecretLost."""
    keys = [signing.recalled(row.id, row.salt, row.digest)]
    if row.old_until is not None and row.old_until > timezone.now():
        with suppress(signing.SecretLost):
            keys.append(signing.recalled(row.id, row.old_salt, row.old_digest))
    return keys


def _url(url: str) -> str:
    try:
        return requests.check(url.strip())
    except OutboundError as error:
        raise InvalidOption("url", str(error), error.code) from error


def _description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise InvalidOption(
            "description", _("The description is longer than %(n)d characters.") % {"n": LONGEST_DESCRIPTION}
        )
    return text.replace("\x00", "").strip()


def _events(wanted: Sequence[str]) -> list[str]:
    """Returns the checked events, each once, in the order of SUBSCRIBABLE. Raises InvalidOption."""
    unknown = [one for one in wanted if one not in SUBSCRIBABLE]
    if unknown:
        known = ", ".join(SUBSCRIBABLE)
        message = _("“%(event)s” is not an event. There are: %(known)s.") % {"event": unknown[0][:60], "known": known}
        raise InvalidOption("events", message)
    return [one for one in SUBSCRIBABLE if one in wanted]
