"""Tries a place out: writes a hidden file to it and deletes it again; in a watched one, what taking in takes.

Of a mailbox it opens the folder, and makes those that messages are moved to."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from tenants import audit, outbound_hold
from tenants.access import Actor
from transcription.connections import lend_connection
from transcription.exchange import disk, places
from transcription.exchange.models import Place
from transcription.outbound import imap, s3
from transcription.outbound.errors import OutboundError

SECONDS = 10.0
NAME = ".whisper-portal-test"


def carry_out(actor: Actor, place_id: UUID) -> None:
    """Has what waits for the place tried at once if it works. Raises Http404, PermissionDenied and OutboundError.

    A paused place is tried out, too: it is how one sees whether it may go on.
    """
    row = places.get(actor, place_id)
    if outbound_hold.is_on():
        raise OutboundError("held", _("Nothing goes out while whoever runs the portal looks over a restored backup."))
    audit.record(actor, "place.tested", row, name=row.name)
    lend_connection()
    if row.kind == Place.Kind.MAILBOX:
        with imap.opened(places.mailbox_of(row), SECONDS) as box:
            box.prepare(imap.DONE, imap.FAILED)
    elif row.kind == Place.Kind.BUCKET:
        _try_bucket(row)
    else:
        _try_folder(row)
    places.resume(row)


def _try_bucket(row: Place) -> None:
    bucket, key = places.bucket_of(row), places.key_of(row, disk.OUT, NAME)
    if row.is_watched:
        s3.try_moving(bucket, key, places.key_of(row, disk.IN), places.key_of(row, disk.DONE, NAME))
    else:
        s3.try_out(bucket, key)


def _try_folder(row: Place) -> None:
    with disk.opened(row.tenant_id, row.path, disk.OUT) as folder:
        disk.write(folder, NAME, b"")
        disk.remove(folder, NAME)
    if row.is_watched:
        with disk.opened(row.tenant_id, row.path, disk.IN) as folder:
            disk.files(folder, lambda _one: False)
