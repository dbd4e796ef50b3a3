"""A mailbox by IMAP, always over TLS: what lies in a folder, parts of messages, and moving them.

Addresses are checked as those of webhooks. What a server sends is bounded for each question, and so is the time.
"""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from imapclient import IMAPClient
from imapclient.exceptions import LoginError, ProtocolError

from transcription.outbound import connecting
from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.exchange import outbound_error, tls_context
from transcription.outbound.target import MAIL, Target, parse_target

DONE, FAILED = "Done", "Failed"
IDLE_SECONDS = 10.0
GOODBYE_SECONDS = 2.0
ANSWER_SECONDS = 45.0
"""For one answer, however its bytes drip: a piece takes 16 s at the least speed of a download."""
PIECE_BYTES = 256 * 1024
HEADER_BYTES = 64 * 1024
NAME_BYTES = 8 * 1024
STRUCTURE_BYTES = 256 * 1024
ANSWER_BYTES = 4 * 1024 * 1024
"""Of any other answer, such as the numbers of all messages."""
MOST_PARTS = 200
NAMES_AT_ONCE = 20
DEEPEST = 20
FIELDS = "FROM SUBJECT DATE MESSAGE-ID AUTHENTICATION-RESULTS"
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Mailbox:
    """A folder of somebody's on a server, which is `imaps://…`, or `imap://…` for STARTTLS."""

    endpoint: str
    user: str
    password: str = field(repr=False)
    folder: str


@dataclass(frozen=True)
class Part:
    """A part of a message, as its sender describes it. `octets` is its size as it is encoded."""

    section: str
    media: str
    encoding: str
    octets: int
    is_whole: bool
    """Whether the message has no other part, and its own header describes this one."""


class _TooMuch(Exception):
    """The server sends more than its answer may have."""


class _Speaker(imaplib.IMAP4):
    """Speaks over a connected socket, and reads no more than `allowance`."""

    def __init__(self, connected: socket.socket, host: str, port: int) -> None:
        self._connected = connected
        self.allowance = ANSWER_BYTES
        super().__init__(host, port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._connected

    def read(self, size: int) -> bytes:
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        try:
            line = super().readline()
        except self.error as error:
            raise _TooMuch from error
        self._spend(len(line))
        return line

    def _spend(self, size: int) -> None:
        self.allowance -= size
        if self.allowance < 0:
            raise _TooMuch


class _Client(IMAPClient):  # type: ignore[misc]
    """Asks over a connected socket."""

    def __init__(self, connected: socket.socket, target: Target) -> None:
        self._connected = connected
        super().__init__(target.host, target.port, ssl=target.scheme == "imaps", timeout=IDLE_SECONDS)
        self._imap.debug = 0

    def _create_IMAP4(self) -> _Speaker:
        return _Speaker(self._connected, self.host, self.port)


class Session:
    """A selected folder. Every method raises OutboundError.

    Its code is `unreadable` for answers that are no IMAP, `mailbox` where the server says no, and `gone` for a message
    that isn't there any more. After what could not be read to its end nothing more is asked: what follows might be text
    of a message.
    """

    def __init__(self, client: _Client, deadline: Deadline) -> None:
        self._client, self._deadline = client, deadline
        self.validity = 0
        self.is_in_step = True

    def ask(self, question: Callable[[], Answer], allowance: int = ANSWER_BYTES) -> Answer:
        """Asks, and reads an answer of no more bytes than that."""
        broken = _("The connection to the mail server broke off.")
        if not self.is_in_step:
            raise OutboundError("broken", broken, may_succeed_later=True)
        self._client._imap.allowance = allowance
        try:
            with self._deadline.within(ANSWER_SECONDS):
                return question()
        except OutboundError:
            raise
        except (imaplib.IMAP4.abort, OSError) as error:
            self.is_in_step = False
            raise outbound_error(error, self._deadline, broken) from error
        except ProtocolError as error:
            raise _unreadable() from error
        except imaplib.IMAP4.error as error:
            text = "".join(c for c in str(error) if c.isprintable())[:200]
            message = _("The mail server answered “%(answer)s”.") % {"answer": text}
            raise OutboundError("mailbox", message, may_succeed_later=True) from error
        except Exception as error:  # parsers of what others write fail in many ways
            self.is_in_step = False
            raise _unreadable() from error

    def select(self, folder: str, only_reads: bool) -> None:
        found = self.ask(lambda: self._client.select_folder(folder, readonly=only_reads))
        self.validity = int(found.get(b"UIDVALIDITY", 0))

    def uids(self) -> list[int]:
        """Returns the numbers of the messages that are not deleted, in the order in which they came."""
        return sorted(self.ask(lambda: self._client.search(["UNDELETED"])))

    def has(self, uid: int) -> bool:
        return uid in self.ask(lambda: self._client.search(["UID", str(uid), "UNDELETED"]))

    def headers(self, uids: list[int]) -> dict[int, bytes]:
        """Returns the FIELDS of those messages that are there, of each HEADER_BYTES at most."""
        if not uids:
            return {}
        wanted = f"BODY.PEEK[HEADER.FIELDS ({FIELDS})]<0.{HEADER_BYTES}>"
        answers = self.ask(lambda: self._client.fetch(uids, [wanted]), len(uids) * (HEADER_BYTES + 1024))
        return {uid: _body_of(answers[uid]) for uid in uids if uid in answers}

    def parts(self, uid: int) -> list[Part]:
        """Returns the parts of a message, but not those of messages within it."""

        def question() -> list[Part]:
            return list(_parts(self._fetched(uid, "BODYSTRUCTURE")[b"BODYSTRUCTURE"]))

        return self.ask(question, STRUCTURE_BYTES)

    def names(self, uid: int, parts: Sequence[Part]) -> list[str]:
        """Returns the file name that each part's header gives; empty for none."""
        batches = (parts[at : at + NAMES_AT_ONCE] for at in range(0, len(parts), NAMES_AT_ONCE))
        return [name for batch in batches for name in self._names(uid, batch)]

    def _names(self, uid: int, parts: Sequence[Part]) -> list[str]:
        asked = [
            "HEADER.FIELDS (CONTENT-TYPE CONTENT-DISPOSITION)" if one.is_whole else f"{one.section}.MIME"
            for one in parts
        ]
        wanted = [f"BODY.PEEK[{name}]<0.{NAME_BYTES}>" for name in asked]

        def question() -> list[str]:
            answer = self._fetched(uid, *wanted)
            prefixes = ["BODY[HEADER" if one.is_whole else f"BODY[{one.section}.MIME" for one in parts]
            return [_name_in(_body_of(answer, prefix)) for prefix in prefixes]

        return self.ask(question, len(wanted) * (NAME_BYTES + 1024))

    def pieces(self, uid: int, part: str, octets: int) -> Iterator[bytes]:
        """Yields a part of a message as it is encoded, which has as many octets; some servers count its header, too."""
        offset, least = 0, octets - NAME_BYTES
        while piece := self._piece(uid, part, offset, least):
            yield piece
            offset += len(piece)
        if offset < least:
            raise OutboundError("broken", _("The mail server sends less than it announced."), may_succeed_later=True)

    def _piece(self, uid: int, part: str, offset: int, least: int) -> bytes:
        """Returns nothing after the end."""
        wanted = f"BODY.PEEK[{part}]<{offset}.{PIECE_BYTES}>"
        answer = self.ask(lambda: self._fetched(uid, wanted), PIECE_BYTES + 65_536)
        found = next((value for key, value in answer.items() if key.startswith(b"BODY[")), None)
        if isinstance(found, bytes):
            return found
        if found is None and offset >= max(least, 1):
            return b""
        raise OutboundError("broken", _("The mail server left out a piece of the attachment."), may_succeed_later=True)

    def _fetched(self, uid: int, *wanted: str) -> Any:
        answers = self._client.fetch([uid], wanted)
        if uid not in answers:
            raise OutboundError("gone", _("The message was moved as it was read."), may_succeed_later=True)
        return answers[uid]

    def prepare(self, *names: str) -> list[str]:
        """Makes those folders if they are missing, and returns what the server calls them."""
        if not any(self.ask(lambda one=one: self._client.has_capability(one)) for one in ("MOVE", "UIDPLUS")):  # type: ignore[misc]
            raise OutboundError("mailbox", _("The mail server can’t move messages: it knows neither MOVE nor UIDPLUS."))
        prefix = ""
        if self.ask(lambda: self._client.has_capability("NAMESPACE")):
            personal = self.ask(lambda: self._client.namespace().personal)
            prefix = str(personal[0][0]) if personal else ""
        folders = [f"{prefix}{name}" for name in names]
        for folder in folders:
            if not self.ask(lambda wanted=folder: self._client.folder_exists(wanted)):  # type: ignore[misc]
                self.ask(lambda wanted=folder: self._client.create_folder(wanted))  # type: ignore[misc]
        return folders

    def move(self, uid: int, name: str) -> None:
        """Moves a message to DONE or FAILED. Where the server lacks MOVE, it may end up there twice, but not here."""
        [folder] = self.prepare(name)
        if self.ask(lambda: self._client.has_capability("MOVE")):
            self.ask(lambda: self._client.move([uid], folder))
            return
        self.ask(lambda: self._client.copy([uid], folder))
        self.ask(lambda: self._client.add_flags([uid], [b"\\Deleted"], silent=True))
        self.ask(lambda: self._client.uid_expunge([uid]))


@contextmanager
def opened(mailbox: Mailbox, seconds: float, *, only_reads: bool = False) -> Iterator[Session]:
    """Signs in, and yields the mailbox's folder for so many seconds. Raises OutboundError."""
    target = parse_target(mailbox.endpoint, MAIL)
    with Deadline(seconds) as deadline:
        with deadline.within(ANSWER_SECONDS):
            client = _signed_in(target, mailbox, deadline)
        try:
            session = Session(client, deadline)
            session.select(mailbox.folder, only_reads)
            yield session
        finally:
            with suppress(Exception), deadline.within(GOODBYE_SECONDS):
                client.socket().settimeout(GOODBYE_SECONDS)
                client._imap.allowance = ANSWER_BYTES
                client.logout()
            with suppress(Exception):
                client.shutdown()


def checked_endpoint(url: str) -> str:
    """Returns a server's address without its path. Raises OutboundError."""
    target = parse_target(url, MAIL)
    if target.path not in ("", "/"):
        raise OutboundError("refused_url", _("Enter the address of the server alone, without a path."))
    return target.url.rstrip("/")


def _signed_in(target: Target, mailbox: Mailbox, deadline: Deadline) -> _Client:
    """Raises OutboundError. The password goes out only once the server has shown its certificate."""
    connected = connecting.connect(target, deadline)
    try:
        connected.settimeout(min(IDLE_SECONDS, deadline.left()))
        if target.scheme == "imaps":
            connected = tls_context().wrap_socket(connected, server_hostname=target.host)
        client = _Client(connected, target)
        if target.scheme == "imap":
            client.starttls(tls_context())
        if client.has_capability("AUTH=PLAIN"):  # which, unlike LOGIN, can say more than ASCII
            client.plain_login(mailbox.user, mailbox.password)
        else:
            client.login(mailbox.user, mailbox.password)
    except Exception as error:
        connected.close()
        if isinstance(error, LoginError) and not deadline.is_over and not isinstance(error.__context__, _ABORTED):
            message = _("The mail server refused the user or the password.")
            raise OutboundError("login", message, may_succeed_later=True) from error
        broken = _("The connection to the mail server broke off, or it speaks no IMAP with TLS.")
        raise outbound_error(error, deadline, broken) from error
    return client


def _unreadable() -> OutboundError:
    message = _("The mail server’s answer is too large, or can’t be read.")
    return OutboundError("unreadable", message, may_succeed_later=True)


_ABORTED = (imaplib.IMAP4.abort, OSError)


def _body_of(answer: Any, prefix: str = "BODY[") -> bytes:
    """Returns the first text that the server calls so; nothing for none."""
    found = next((value for key, value in answer.items() if key.startswith(prefix.encode())), b"")
    return found if isinstance(found, bytes) else b""


def _parts(structure: Any) -> Iterator[Part]:
    """Raises whatever a structure that is none brings about, and ValueError for one that is too large."""
    waiting, count = [(structure, "")], 0
    while waiting:
        body, section = waiting.pop(0)
        count += 1
        if count > MOST_PARTS or section.count(".") > DEEPEST:
            raise ValueError
        if body.is_multipart:
            prefix = f"{section}." if section else ""
            waiting += [(one, f"{prefix}{number}") for number, one in enumerate(body[0], 1)]
        else:
            yield _part(body, section)


def _part(body: Any, section: str) -> Part:
    kind, encoding = (_text(value).lower() for value in (body[0], body[5]))
    return Part(section or "1", f"{kind}/{_text(body[1]).lower()}", encoding, int(body[6]), not section)


def _name_in(header: bytes) -> str:
    """Returns the file name that a part's header gives; one that can't be read is none."""
    with suppress(Exception):
        return str(make_header(decode_header(message_from_bytes(header).get_filename() or "")))
    return ""


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
