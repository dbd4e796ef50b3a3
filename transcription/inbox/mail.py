"""Which messages of a mailbox and which of their attachments become recordings; reads attachments, moves messages.

A row of an attachment names it by the message's id, so that it is taken once however often the message is seen.
"""

from __future__ import annotations

import binascii
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from transcription.connections import lend_connection
from transcription.errors import Refused
from transcription.exchange import places
from transcription.exchange.models import Arrival, Place
from transcription.inbox.copies import Copy, Gone, too_large
from transcription.inbox.headers import Header
from transcription.media.filenames import clean_name
from transcription.outbound import imap
from transcription.outbound.download import MinimumSpeed, writing
from transcription.outbound.errors import OutboundError
from transcription.outbound.imap import Part, Session
from transcription.scripts import without_turns

log = logging.getLogger(__name__)
LOOK_SECONDS = 15.0
MOVE_SECONDS = 30.0
LISTED = 50
"""Messages that are noted in one turn, and whose headers are asked for at once."""
MOST_ASKED = 500
"""Messages whose headers are read in one turn, where they are copies of others or can't be told."""
MOST_READ = 10
"""Attempts to read an attachment, after which the server’s reason refuses it once it is the same twice."""
MOST_FAILED = 2000
"""Rows that are kept of what failed, of a mailbox."""
MOST_TAKEN = 20
"""Of one message."""
MEDIA = ("audio/", "video/")
NAMED = (
    *(".mp3", ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".mka", ".mkv", ".webm", ".weba", ".opus", ".ogg", ".oga"),
    *(".ogv", ".wav", ".w64", ".flac", ".amr", ".3gp", ".3g2", ".aac", ".wma", ".wmv", ".avi", ".mpg", ".mpeg"),
    *(".ts", ".mts", ".mxf", ".aiff", ".aif", ".caf", ".au", ".gsm", ".ac3", ".dss", ".ds2"),
)
"""What is taken of attachments that are called `application/…`, as many programs do; the check of the file decides."""
PLAIN = ("7bit", "8bit", "binary")
NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


def note(place: Place) -> int:
    """Writes rows for attachments of messages that came, and for messages that are refused; returns how many.

    What a server can't tell of one message holds up no other one. Raises OutboundError, when all others are noted.
    """
    known = set(_open(place).values_list("locator", flat=True))
    lend_connection()
    count, messages, failed = 0, 0, list[OutboundError]()
    with imap.opened(places.mailbox_of(place), LOOK_SECONDS, only_reads=True) as box:
        uids = box.uids()
        here = {_locator(box, uid) for uid in uids}
        new = [uid for uid in uids if _locator(box, uid) not in known][:MOST_ASKED]
        turn = place.failures % len(new) if new else 0  # one that breaks the connection is not the first again
        for uid, raw in _headers(box, new[turn:] + new[:turn], 1 if place.failures else LISTED, failed):
            message = _Message(place, uid, _locator(box, uid), Header.read(raw, _locator(box, uid)))
            noted = _note(message, box, here, failed)
            count, messages = count + noted, messages + bool(noted)
            if messages >= LISTED or not box.is_in_step:
                break
    _forget_failed(place)
    if failed:
        raise failed[0]
    return count


def _forget_failed(place: Place) -> None:
    """Deletes rows of what failed long ago, since strangers can send as much as they like."""
    failed = Arrival.objects.filter(place=place, state=Arrival.State.FAILED).order_by("-created_at", "-id")
    rest = failed.values_list("id", flat=True)[MOST_FAILED : MOST_FAILED + MOST_ASKED]
    Arrival.objects.filter(id__in=list(rest)).delete()


def _headers(box: Session, uids: list[int], step: int, failed: list[OutboundError]) -> Iterator[tuple[int, bytes]]:
    """Yields headers of messages; where the server can't tell those of several, it is asked for each."""
    for at in range(0, len(uids), step):
        some = uids[at : at + step]
        try:
            yield from box.headers(some).items()
        except OutboundError as error:
            if not box.is_in_step:
                raise
            log.info("Headers of several messages at once could not be read: %s", error)
            for uid in some:
                yield from _header(box, uid, failed)


def _header(box: Session, uid: int, failed: list[OutboundError]) -> Iterator[tuple[int, bytes]]:
    """Yields the header of a message; nothing where the server refuses to tell it, an empty one for no header."""
    try:
        yield from box.headers([uid]).items()
    except OutboundError as error:
        if not box.is_in_step:
            raise
        if error.code == "unreadable":
            yield uid, b""
        else:
            failed.append(error)


def _note(message: _Message, box: Session, here: set[str], failed: list[OutboundError]) -> int:
    """Writes the rows of a message; returns how many. Raises OutboundError for what concerns other messages, too."""
    try:
        rows = _rows(message, box)
    except OutboundError as error:
        if not box.is_in_step:
            raise
        if error.code != "gone":
            failed.append(error)
        return 0
    with transaction.atomic():
        if not _takes_over(message, rows, here):
            return 0
        Arrival.objects.bulk_create(rows, ignore_conflicts=True)
    lend_connection()
    return len(rows)


def _takes_over(message: _Message, rows: list[Arrival], here: set[str]) -> bool:
    """Has open rows of the same attachments follow a message that was moved, or got another number.

    Returns False for a copy of a message that is still there, which has its turn after that.
    """
    files = {(one.path, one.version) for one in rows}
    same = _open(message.place).exclude(locator=message.locator).filter(version__in=[one.version for one in rows])
    earlier = [one for one in same if (one.path, one.version) in files]
    if any(one.locator in here for one in earlier):
        return False
    moved = _open(message.place).filter(id__in=[one.id for one in earlier])
    moved.update(locator=message.locator, fence=F("fence") + 1, next_attempt_at=Now())
    return True


def copy(row: Arrival, path: Path, limit: int, on_progress: Callable[[], None]) -> Copy:
    """Copies an attachment to this machine's disk. Raises Refused, Gone and OutboundError."""
    digest, size = hashlib.sha256(), 0
    encoding = row.version.split("-")[2]
    with _opened(row, settings.FETCH_SECONDS_LIMIT) as (box, uid), writing(path) as write:
        for piece in _decoded(_pieces(row, box, uid, on_progress), encoding):
            write(piece)
            digest.update(piece)
            size += len(piece)
            if size > limit:
                raise too_large(limit)
    return Copy(row.path, path, size, digest.hexdigest())


def _pieces(row: Arrival, box: Session, uid: int, on_progress: Callable[[], None]) -> Iterator[bytes]:
    """Raises OutboundError, and Refused where the server has said the same for long."""
    _key, section, _encoding, octets = row.version.split("-")
    size, speed = 0, MinimumSpeed()
    try:
        for piece in box.pieces(uid, section, int(octets)):
            size += len(piece)
            speed.check(size)
            on_progress()
            yield piece
    except OutboundError as error:
        is_last = row.attempts_made >= MOST_READ and row.last_error == str(error)
        if is_last and error.code != "gone":
            raise Refused("unreadable", str(error)) from error
        raise


def move(row: Arrival) -> None:
    """Moves a message, once none of its attachments waits. Raises Gone and OutboundError."""
    same = Arrival.objects.filter(place=row.place, locator=row.locator)
    if same.filter(state=Arrival.State.WAITING).exists():
        return
    has_failed = same.filter(state__in=(Arrival.State.REFUSED, Arrival.State.FAILED)).exists()
    lend_connection()
    with _opened(row, MOVE_SECONDS) as (box, uid):
        box.move(uid, imap.FAILED if has_failed else imap.DONE)


@dataclass(frozen=True)
class _Message:
    place: Place
    uid: int
    locator: str
    header: Header

    def row(self, name: str, part: str, **more: Any) -> Arrival:
        return Arrival(
            tenant_id=self.place.tenant_id,
            place=self.place,
            locator=self.locator,
            sender=self.header.sender,
            path=name,
            version=f"{self.header.key}-{part}",
            **more,
        )

    @property
    def title(self) -> str:
        return self.header.subject or _("E-mail without a subject")

    def refused(self, reason: str) -> Arrival:
        return self.row(self.title, self.locator, state=Arrival.State.REFUSED, last_error=reason)


def _rows(message: _Message, box: Session) -> list[Arrival]:
    """Raises OutboundError."""
    try:
        _require_trusted(message)
        found = _attachments(box, message.uid)
    except Refused as refused:
        return [message.refused(str(refused))]
    except OutboundError as error:
        if error.code != "unreadable":
            raise
        return [message.refused(_("It has too many parts, or they can’t be told apart."))]
    known = _taken(message.place)
    return [_row(message, one, name, known) for one, name in found]


def _row(message: _Message, part: Part, name: str, known: QuerySet[Arrival]) -> Arrival:
    """Returns a row of an attachment, which only waits to be moved if it was taken in earlier."""
    title = clean_name(without_turns(name) or message.title)
    octets = part.octets * 57 // 78 if part.encoding == "base64" else part.octets
    row = message.row(title, f"{part.section}-{part.encoding}-{part.octets}", size=octets)
    if (earlier := known.filter(path=row.path, version=row.version).first()) is not None:
        row.state, row.recording_id = Arrival.State.ACCEPTED, earlier.recording_id
    return row


def _open(place: Place) -> QuerySet[Arrival]:
    return Arrival.objects.filter(place=place, state__in=Arrival.OPEN)


def _taken(place: Place) -> QuerySet[Arrival]:
    return Arrival.objects.filter(place=place, state__in=(Arrival.State.ACCEPTED, Arrival.State.DONE))


def _require_trusted(message: _Message) -> None:
    """Raises Refused."""
    place, header = message.place, message.header
    if not header.sender:
        raise Refused("sender", _("The message doesn’t name one sender."))
    require_listed(place, header.sender)
    if place.trust == Place.Trust.DMARC and not header.is_vouched_for(place.authserv_id):
        reason = _("The sender may be forged: %(server)s doesn’t say that DMARC passed for %(domain)s.")
        raise Refused("sender", reason % {"server": place.authserv_id, "domain": header.domain})


def require_listed(place: Place, sender: str) -> None:
    """Raises Refused."""
    if not {sender, sender.rpartition("@")[2]} & set(place.senders.split()):
        raise Refused("sender", _("%(sender)s may not send recordings here.") % {"sender": sender})


def _attachments(box: Session, uid: int) -> list[tuple[Part, str]]:
    """Returns the attachments that may have sound, with their names. Raises Refused and OutboundError."""
    parts = [one for one in box.parts(uid) if one.media.startswith((*MEDIA, "application/"))]
    names = box.names(uid, parts[: imap.MOST_PARTS]) if parts else []
    found = [(one, name) for one, name in zip(parts, names, strict=True) if _is_media(one.media, name)]
    if not found:
        raise Refused("no_sound", _("No audio or video is attached to the message."))
    if len(found) > MOST_TAKEN:
        raise Refused("too_many", _("More than %(n)d recordings are attached to the message.") % {"n": MOST_TAKEN})
    if not all(one.encoding in ("base64", *PLAIN) for one, _name in found):
        raise Refused("encoding", _("An attachment is encoded in a way that is not for sound: use Base64."))
    return found


def _is_media(media: str, name: str) -> bool:
    return media.startswith(MEDIA) or Path(name).suffix.lower() in NAMED


@contextmanager
def _opened(row: Arrival, seconds: float) -> Iterator[tuple[Session, int]]:
    """Yields the mailbox with the number of a message that is still there. Raises Gone and OutboundError."""
    with imap.opened(places.mailbox_of(row.place), seconds) as box:
        uid = int(row.locator.rpartition(".")[2])
        if _locator(box, uid) != row.locator or not box.has(uid):
            raise Gone
        yield box, uid


def _locator(box: Session, uid: int) -> str:
    """Numbers hold as long as the server keeps the folder's validity."""
    return f"{box.validity}.{uid}"


def _decoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Raises Refused."""
    if encoding != "base64":
        yield from pieces
        return
    rest = b""
    try:
        for piece in pieces:
            text = rest + piece.translate(None, NOT_BASE64)
            whole = len(text) - len(text) % 4
            rest = text[whole:]
            yield binascii.a2b_base64(text[:whole], strict_mode=True)
        yield binascii.a2b_base64(rest + b"=" * (-len(rest) % 4), strict_mode=True)
    except binascii.Error as error:
        raise Refused("unreadable", _("The attachment is damaged: it is no Base64.")) from error
