"""Recordings arrive by e-mail: from those who may send, once each, whatever strangers, servers and processes do."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models import F

from tenants.models import Quota
from tests.conftest import Character
from tests.imapserver import PASSWORD, USER, MailServer, serving
from tests.transcription.outbound.test_exchanges import certificate
from transcription.errors import InvalidOption, Refused
from transcription.exchange import places, trial
from transcription.exchange.models import Arrival, Place
from transcription.exchange.places import PlaceSettings
from transcription.folders import folders
from transcription.inbox import mail, polling, taking
from transcription.inbox.headers import Header
from transcription.models import Folder, Recording, Way
from transcription.outbound import exchange, imap
from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.rules import editing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
CAROL = "carol@acme.example"
VOUCHED = "mx.acme.example; spf=pass; dmarc=pass (p=reject) header.from=acme.example"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("keys"), "localhost")


@pytest.fixture(scope="module")
def shared(keys: tuple[Path, Path]) -> Iterator[MailServer]:
    with serving(*keys) as server:
        yield server


@pytest.fixture
def trusted(keys: tuple[Path, Path], settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    monkeypatch.setenv("SSL_CERT_FILE", str(keys[1]))
    exchange.tls_context.cache_clear()
    yield
    exchange.tls_context.cache_clear()


@pytest.fixture
def server(shared: MailServer, trusted: None) -> MailServer:
    shared.begin()
    return shared


def wanted(server: MailServer, **other: Any) -> PlaceSettings:
    settings = {"endpoint": server.address, "key_id": USER, "secret": PASSWORD, "path": server.folder}
    settings |= {"senders": "acme.example", "authserv_id": "mx.acme.example"}
    return PlaceSettings("Mail", "mailbox", **settings | other)


@pytest.fixture
def mailbox(alice: Character, server: MailServer) -> Place:
    return places.create(alice.actor, wanted(server))


def message(subject: str, *sounds: tuple[str, bytes], sender: str = CAROL, results: str = VOUCHED) -> EmailMessage:
    """A message with files, by their names, and what the receiving server says of its sender."""
    made = EmailMessage()
    if results:
        made["Authentication-Results"] = results
    made["From"], made["Subject"], made["Message-ID"] = f"Carol <{sender}>", subject, f"<{subject}@x>"
    made["Date"] = "Mon, 30 Nov 2026 10:00:00 +0000"
    made.set_content("Here it is.")
    for name, sound in sounds:
        made.add_attachment(sound, maintype="audio", subtype="wav", filename=name or None)
    return made


def look() -> int:
    """Looks although somebody just did, and takes in what came."""
    Place.objects.update(next_look_at=F("created_at"), not_before=F("created_at"))
    Arrival.objects.filter(state__in=Arrival.OPEN).update(next_attempt_at=F("created_at"))
    return taking.take_due()


def test_a_colleague_mails_two_recordings_and_a_rule_files_them(
    alice: Character, server: MailServer, fox: Path
) -> None:
    secret = folders.create(alice.actor, "Mail", restricted=True)
    places.create(alice.actor, wanted(server, folder="Mail"))
    with pytest.raises(Refused, match="mailbox"):
        folders.delete(alice.actor, secret.id)
    editing.create(alice.actor, "Carol", {"way": "mail", "sender": "carol@*"}, {"tags": ["Field"]})
    sound = fox.read_bytes()
    sent = message("Fieldwork", ("grün/.. \u202e1.wav", sound), ("", sound))
    sent.add_attachment(b"PDF", maintype="application", subtype="pdf", filename="notes.pdf")
    server.deliver(sent)
    assert look() == 2
    rows = Recording.objects.order_by("name")
    assert [(one.name, one.bytes) for one in rows] == [(".. 1.wav", len(sound)), ("Fieldwork", len(sound))]
    assert {(one.way, one.sender, one.folder) for one in rows} == {(Way.MAIL, CAROL, secret)}
    assert [tag.name for one in rows for tag in one.tags] == ["Field", "Field"]
    assert (server.subjects(), server.subjects("Done")) == ([], ["Fieldwork"])
    assert set(Arrival.objects.values_list("state", "sender")) == {("done", CAROL)}

    server.deliver(sent)
    assert look() == 2
    assert Recording.objects.count() == 2, "a copy of the message is moved, and nothing is taken twice"
    assert (server.subjects(), len(server.subjects("Done"))) == ([], 2)


def test_what_is_not_taken_is_moved_to_failed_and_the_page_says_why(
    mailbox: Place, server: MailServer, fox: Path
) -> None:
    Quota.objects.update(upload_bytes=fox.stat().st_size + 1000)
    sound = ("fox.wav", fox.read_bytes())
    damaged = message("Damaged", sound).as_bytes().replace(b"UklGR", b"Ukl=R", 1)
    assert b"Ukl=R" in damaged
    several = message("Several", sound).as_bytes().replace(b"\nSubject", b"\nFrom: evil@evil.example\nSubject", 1)
    server.deliver(
        message("Stranger", sound, sender="mallory@evil.example"),
        message("Forged", sound, results="mx.acme.example; dmarc=fail header.from=acme.example"),
        message("Silent"),
        message("Not sound", ("fox.wav", b"Not sound.")),
        message("Too large", ("fox.wav", sound[1] + b"x" * 5000)),
        damaged,
        several,
        message("Half", sound, ("noise.wav", b"Not sound.")),
    )
    look()
    assert [one.name for one in Recording.objects.all()] == ["fox.wav"], "of the last one"
    said = dict(Arrival.objects.exclude(state="done").values_list("locator", "last_error"))
    reasons = [said[one] for one in sorted(said, key=lambda one: int(one.rpartition(".")[2]))]
    for reason, words in zip(
        reasons,
        ["may not send", "may be forged", "No audio", "not audio", "larger", "damaged", "one sender", "not audio"],
        strict=True,
    ):
        assert words in reason
    assert (server.subjects(), server.subjects("Done"), len(server.subjects("Failed"))) == ([], [], 8)


def test_a_process_that_dies_before_the_message_is_moved_takes_nothing_twice(
    mailbox: Place, server: MailServer, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = message("Once", ("fox.wav", fox.read_bytes()))
    server.deliver(sent)

    def die(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(imap.Session, "move", die)
        with pytest.raises(MemoryError):
            look()
    assert (Arrival.objects.get().state, server.subjects()) == ("accepted", ["Once"])
    with server.signed_in() as client:  # as after a restored backup: the numbers of messages mean others now
        client.delete_folder(server.folder)
        client.create_folder(server.folder)
    server.deliver(message("Another", ("fox.wav", fox.read_bytes())), sent)
    look()
    look()
    assert sorted(Recording.objects.values_list("name", flat=True)) == ["fox.wav", "fox.wav"]
    assert (server.subjects(), sorted(server.subjects("Done"))) == ([], ["Another", "Once"])


def test_a_message_stays_while_one_of_its_attachments_waits_for_minutes(
    mailbox: Place, server: MailServer, fox: Path
) -> None:
    Quota.objects.update(monthly_seconds=4)
    sound = fox.read_bytes()
    server.deliver(message("Two", ("1.wav", sound), ("2.wav", sound)))
    assert look() == 2
    assert sorted(Arrival.objects.values_list("state", flat=True)) == ["done", "waiting"]
    assert server.subjects() == ["Two"]
    assert polling.look_into_all() == 0, "it is known"
    Quota.objects.update(monthly_seconds=1000)
    assert look() == 1
    assert (Recording.objects.count(), server.subjects("Done")) == (2, ["Two"])


def test_an_attachment_that_waits_follows_its_message_to_another_number(
    mailbox: Place, server: MailServer, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Quota.objects.update(monthly_seconds=4)
    sound = fox.read_bytes()
    sent = message("Two", ("1.wav", sound), ("2.wav", sound))
    server.deliver(sent)
    assert look() == 2
    server.deliver(sent, message("Silent"))
    monkeypatch.setattr(mail, "LISTED", 1)
    assert look() == 2
    assert (server.subjects(), server.subjects("Failed")) == (["Two", "Two"], ["Silent"]), "a copy keeps nobody waiting"
    with server.signed_in() as client:
        client.delete_folder(server.folder)
        client.create_folder(server.folder)
    server.deliver(sent)
    assert look() == 2
    assert server.subjects() == ["Two"]
    Quota.objects.update(monthly_seconds=1000)
    assert look() == 1
    assert sorted(Recording.objects.values_list("name", flat=True)) == ["1.wav", "2.wav"]
    assert (server.subjects(), server.subjects("Done")) == ([], ["Two"])


def test_identical_messages_of_a_stranger_are_all_moved_in_one_look(
    mailbox: Place, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.deliver(*[message("Again", sender="mallory@evil.example")] * 3)
    assert look() == 3
    assert (server.subjects(), len(server.subjects("Failed"))) == ([], 3)
    monkeypatch.setattr(mail, "MOST_FAILED", 2)
    look()
    assert Arrival.objects.count() == 2, "of what failed the latest are kept"


def test_messages_that_differ_under_one_id_are_all_taken(mailbox: Place, server: MailServer, fox: Path) -> None:
    sound = fox.read_bytes()
    server.deliver(message("Same", ("fox.wav", sound)))
    look()
    server.deliver(message("Same", ("fox.wav", sound + sound)))
    server.deliver(message("Same", ("fox.wav", sound), sender="dave@acme.example"))
    look()
    assert Recording.objects.count() == 3
    assert set(Recording.objects.values_list("sender", flat=True)) == {CAROL, "dave@acme.example"}


def test_what_is_for_a_folder_never_becomes_everybodys(alice: Character, server: MailServer, fox: Path) -> None:
    secret, other = (folders.create(alice.actor, name, restricted=True) for name in ("Mail", "Other"))
    places.create(alice.actor, wanted(server, folder="Mail"))
    editing.create(alice.actor, "All", {"way": "mail"}, {"folder": str(other.id)})
    Folder.objects.filter(id=other.id).delete()
    server.deliver(message("Rule", ("1.wav", fox.read_bytes())))
    look()
    assert Recording.objects.get().folder == secret
    Folder.objects.filter(id=secret.id).update(is_private=True)
    server.deliver(message("Gone", ("2.wav", fox.read_bytes())))
    look()
    row = Arrival.objects.get(state="waiting")
    assert "folder of the mailbox is gone" in row.last_error
    assert (Recording.objects.count(), server.subjects()) == (1, ["Gone"])


def test_a_full_disk_is_tried_again_and_who_may_send_no_longer_is_refused(
    alice: Character, mailbox: Place, server: MailServer, fox: Path
) -> None:
    server.deliver(message("Late", ("fox.wav", fox.read_bytes())))
    assert polling.look_into_all() == 1
    with pytest.raises(OutboundError) as told:
        mail.copy(Arrival.objects.get(), Path("/dev/full"), 10**9, lambda: None)
    assert (told.value.code, told.value.may_succeed_later) == ("no_room", True)
    places.change_some(alice.actor, mailbox.id, {"senders": "dave@acme.example"})
    look()
    assert "may not send" in Arrival.objects.get().last_error
    assert not Recording.objects.exists()


def test_a_mailbox_is_watched_once(alice: Character, server: MailServer) -> None:
    mine = places.create(alice.actor, wanted(server, path="inbox"))
    assert mine.path == "INBOX"
    for path, user in (("Inbox", USER), ("", USER.upper()), ("done", "other"), ("Archive/FAILED", "other")):
        with pytest.raises(InvalidOption):
            places.create(alice.actor, wanted(server, path=path, key_id=user))


def test_one_of_two_sweepers_looks_and_not_all_the_time(mailbox: Place, server: MailServer) -> None:
    server.deliver(message("Silent"))
    assert [polling.look_into_all() for _ in range(2)] == [1, 0]
    server.deliver(message("Silent too"))
    assert polling.look_into_all() == 0
    places.resume(mailbox)
    assert polling.look_into_all() == 1


def test_a_wrong_password_and_a_wrong_folder_are_told(alice: Character, mailbox: Place, server: MailServer) -> None:
    trial.carry_out(alice.actor, mailbox.id)
    assert server.subjects("Done") == server.subjects("Failed") == []
    for wrong, code in (({"secret": "wrong"}, "login"), ({"secret": PASSWORD, "path": "Nowhere"}, "mailbox")):
        places.change_some(alice.actor, mailbox.id, wrong)
        with pytest.raises(OutboundError) as told:
            trial.carry_out(alice.actor, mailbox.id)
        assert told.value.code == code
        assert polling.look_into_all() == 0
        mailbox.refresh_from_db()
        assert (mailbox.failures, mailbox.last_error) == (1, str(told.value))
    with pytest.raises(InvalidOption, match="password"):
        places.change_some(alice.actor, mailbox.id, {"key_id": "somebody@else.example"})


def test_the_password_goes_only_to_a_server_with_the_right_certificate(
    mailbox: Place, server: MailServer, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    mine = places.mailbox_of(mailbox)
    for endpoint in (server.address.replace("localhost", "127.0.0.1"), server.address.replace("imap:", "imaps:")):
        with pytest.raises(OutboundError) as told, imap.opened(imap.Mailbox(endpoint, USER, PASSWORD, "INBOX"), 10):
            pass
        assert told.value.code == "tls"
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    monkeypatch.setattr(socket.socket, "connect", lambda *_a: pytest.fail("it connects"))
    with pytest.raises(OutboundError) as told, imap.opened(mine, 10):
        pass
    assert told.value.code == "no_public_address"


class Hostile:
    """A server that signs anybody in, and answers some questions in its own way: with a text, or with NO for None."""

    def __init__(self, keys: tuple[Path, Path], answers: dict[bytes, bytes | None]) -> None:
        self.answers = answers
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(keys[1], keys[0])
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"imaps://localhost:{self.socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                with self.context.wrap_socket(self.socket.accept()[0], server_side=True) as client:
                    client.sendall(b"* OK hello\r\n")
                    for line in client.makefile("rb"):
                        client.sendall(self._answer(*line.strip().split(b" ", 1)))
            except ssl.SSLError:
                continue
            except OSError:
                return

    def _answer(self, tag: bytes, question: bytes) -> bytes:
        said: dict[bytes, bytes | None] = self.answers | {
            b"CAPABILITY": b"* CAPABILITY IMAP4rev1 MOVE\r\n",
            b"EXAMINE": b"* OK [UIDVALIDITY 7] fine\r\n* 2 EXISTS\r\n",
            b"SELECT": b"* OK [UIDVALIDITY 7] fine\r\n* 2 EXISTS\r\n",
            b"UID SEARCH": b"* SEARCH 1 2\r\n",
            b"UID FETCH 1,2": _header_of(1) + _header_of(2),
            b"LOGOUT": b"* BYE\r\n",
        }
        text = next((text for asked, text in said.items() if question.startswith(asked)), b"")
        return tag + b" NO I can't\r\n" if text is None else text + tag + b" OK done\r\n"


def _header_of(uid: int) -> bytes:
    header = f"From: {CAROL}\r\nAuthentication-Results: {VOUCHED}\r\n\r\n".encode()
    return b"* %d FETCH (UID %d BODY[HEADER.FIELDS (FROM)]<0> {%d}\r\n%b)\r\n" % (uid, uid, len(header), header)


def _structure_of(uid: int, structure: bytes) -> bytes:
    return b"* %d FETCH (UID %d BODYSTRUCTURE %b)\r\n" % (uid, uid, structure)


SOUND = b'("AUDIO" "WAV" NIL NIL NIL "BASE64" 8)'


@pytest.mark.parametrize("structure", [b"(" * 100_000, b"(" * 2_000_000, b"{99999999999}\r\n", b"NIL", b'("A" "B")'])
def test_a_structure_that_nobody_can_read_refuses_one_message(
    alice: Character, keys: tuple[Path, Path], trusted: None, server: MailServer, structure: bytes
) -> None:
    hostile = Hostile(keys, {b"UID FETCH 1 (BODYSTRUCTURE": _structure_of(1, structure)})
    with hostile.socket:
        place = places.create(alice.actor, wanted(server, endpoint=hostile.address, secret="ascii"))
        assert mail.note(place) == 1, "the next one has its turn when this one is noted"
    row = Arrival.objects.get()
    assert (row.state, row.locator) == ("refused", "7.1")
    assert "too many parts" in row.last_error


@pytest.mark.parametrize("wrong", [None, b"", b"* BYE\r\n", b"* 1 FETCH (UID 1 BODYSTRUCTURE)\r\n"])
def test_a_message_that_a_server_can_not_handle_holds_up_no_other_one(
    alice: Character, keys: tuple[Path, Path], trusted: None, server: MailServer, wrong: bytes | None
) -> None:
    header, structure = b"UID FETCH 1 (BODY.PEEK[HEADER", b"UID FETCH 1 (BODYSTRUCTURE"
    answers = {header: wrong if wrong is None else _header_of(1), structure: wrong, b"UID FETCH 1,2": None}
    answers |= {b"UID FETCH 2 (BODY.PEEK[HEADER": _header_of(2), b"UID FETCH 2 (BODYS": _structure_of(2, SOUND)}
    hostile = Hostile(keys, answers)
    with hostile.socket:
        places.create(alice.actor, wanted(server, endpoint=hostile.address, secret="ascii"))
        for _ in range(2):
            Place.objects.update(next_look_at=F("created_at"), not_before=F("created_at"))
            polling.look_into_all()
    found = dict(Arrival.objects.values_list("locator", "state"))
    is_refused = wrong is not None and b"STRUCTURE" in wrong
    assert found == {"7.2": "waiting"} | ({"7.1": "refused"} if is_refused else {})
    assert ("I can't" in Place.objects.get().last_error) is (wrong is None)


def test_an_attachment_that_never_comes_is_refused_after_many_attempts(
    alice: Character, keys: tuple[Path, Path], trusted: None, server: MailServer
) -> None:
    answers: dict[bytes, bytes | None] = {b"UID FETCH 1 (BODYS": _structure_of(1, SOUND)}
    answers |= {b"UID FETCH 1 (BODY.PEEK[HEADER": _header_of(1), b"UID FETCH 1 (BODY.PEEK[1]": None}
    hostile = Hostile(keys, answers)
    with hostile.socket:
        places.create(alice.actor, wanted(server, endpoint=hostile.address, secret="ascii"))
        look()
        row = Arrival.objects.get(locator="7.1")
        assert (row.state, "I can't" in row.last_error) == ("waiting", True)
        Arrival.objects.update(attempts_made=mail.MOST_READ)
        look()
    row.refresh_from_db()
    assert (row.state, "I can't" in row.last_error) == ("failed", True)


@pytest.mark.parametrize(
    ("pieces", "octets", "whole"),
    [
        ([b'"UklG"', b'"Rg=="', b'""'], 8, b"UklGRg=="),
        ([b'"UklG"', b'"Rg=="', b"NIL"], 8, b"UklGRg=="),
        ([b'"UklG"', b"NIL"], 99_999, None),
        ([b'"UklG"', b'""'], 99_999, None),
        ([b"NIL"], 8, None),
    ],
)
def test_a_part_ends_where_nothing_more_comes_of_all_that_was_announced(
    keys: tuple[Path, Path], trusted: None, pieces: list[bytes], octets: int, whole: bytes | None
) -> None:
    answers: dict[bytes, bytes | None] = {
        b"UID FETCH 1 (BODY.PEEK[1]<%d." % (n * 4): b"* 1 FETCH (UID 1 BODY[1]<%d> %b)\r\n" % (n * 4, piece)
        for n, piece in enumerate(pieces)
    }
    hostile = Hostile(keys, answers)
    with hostile.socket, imap.opened(imap.Mailbox(hostile.address, USER, "ascii", "INBOX"), 10) as box:
        if whole is not None:
            assert b"".join(box.pieces(1, "1", octets)) == whole
            return
        with pytest.raises(OutboundError) as told:
            list(box.pieces(1, "1", octets))
    assert told.value.code == "broken"


def test_a_part_of_an_exchange_that_takes_too_long_ends_it() -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs, Deadline(600) as deadline:
        deadline.watch(mine)
        with deadline.within(0):
            assert mine.recv(1) == b""
        assert deadline.is_over


def test_a_server_that_hangs_is_left_alone_for_a_while(
    alice: Character, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "LOOK_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"imaps://localhost:{silent.getsockname()[1]}"
        place = places.create(alice.actor, wanted(server, endpoint=address))
        assert polling.look_into_all() == 0
    place.refresh_from_db()
    assert (place.failures, place.last_error) == (1, "The remote server took too long to answer.")


@pytest.mark.parametrize(
    ("results", "is_believed"),
    [
        ([VOUCHED], True),
        (["MX.acme.example 1; dmarc = pass header.from=ACME.example"], True),
        (["mx.acme.example; spf=pass", VOUCHED], True),
        ([], False),
        (["mx.evil.example; dmarc=pass header.from=acme.example"], False),
        (["mx.acme.example; dmarc=pass header.from=evil.example"], False),
        (["mx.acme.example; dmarc=pass"], False),
        (["mx.acme.example; dmarc=fail header.from=acme.example", VOUCHED], False),
        (["mx.acme.example; spf=fail (dmarc=pass; dmarc=pass header.from=acme.example)"], False),
        (['mx.acme.example; spf=fail reason="; dmarc=pass header.from=acme.example"'], False),
        (['mx.acme.example; dmarc=pass reason="header.from=acme.example" header.from=evil.example'], False),
        (["mx.acme.example; spf=fail smtp.mailfrom==?utf-8?q?a;_dmarc=3Dpass_header.from=3Dacme.example?="], False),
        (["mx.acme.example (; dmarc=pass header.from=acme.example"], False),
        ([VOUCHED, "mx.acme.example; spf=pass smtp.helo=foo(bar; dmarc=fail"], False),
        ([VOUCHED, 'mx.acme.example; spf=pass smtp.helo=foo"bar; dmarc=fail'], False),
        ([VOUCHED, "mx.evil.example; spf=pass smtp.helo=foo(bar"], True),
        (["mx.evil.example\rAuthentication-Results: " + VOUCHED], False),
        ([VOUCHED, "mx.evil.example\x00"], False),
    ],
)
def test_a_sender_is_believed_only_as_the_named_server_vouches_for_it(results: list[str], is_believed: bool) -> None:
    lines = [f"Authentication-Results: {one}" for one in results] + [f"From: {CAROL}", "", ""]
    assert Header.read("\r\n".join(lines).encode(), "").is_vouched_for("mx.acme.example") is is_believed


@pytest.mark.parametrize(
    ("line", "sender"),
    [
        ('"carol@acme.example" <mallory@evil.example>', "mallory@evil.example"),
        ("=?utf-8?q?J=C3=B6rg?= <JOERG@Acme.example>", "joerg@acme.example"),
        ("carol@acme.example, mallory@evil.example", ""),
        ("Team: carol@acme.example, a@b.example;", ""),
        ('"carol@acme.example"@evil.example', ""),
        ("=?utf-8?q?carol=40acme.example?=", ""),
        ("<>", ""),
        ("J. Doe <j@acme.example>", "j@acme.example"),
        ("carol@acme.example <mallory@evil.example>", ""),
        ("carol@acme.example (x) <mallory@evil.example>", ""),
        ("<carol@acme.example> <mallory@evil.example>", ""),
        ("carol@acme.example;mallory@evil.example", ""),
        ("Team: carol@acme.example;", ""),
        ("mallory@evil.example\r\nFrom: carol@acme.example", ""),
        ("mallory@evil.example\rFrom: carol@acme.example", ""),
        ("x" * 3000 + " <carol@acme.example>", ""),
        ("\x00\xff(", ""),
        ("\xff@acme.example", ""),
    ],
)
def test_a_message_names_one_sender_or_none(line: str, sender: str) -> None:
    assert Header.read(f"From: {line}\r\n\r\n".encode("latin-1"), "").sender == sender


def test_an_attachment_comes_in_pieces_that_fit_no_group_of_four() -> None:
    sound = bytes(range(256)) * 3
    encoded = base64.encodebytes(sound).rstrip(b"=\n")
    pieces = (encoded[at : at + 7] for at in range(0, len(encoded), 7))
    assert b"".join(mail._decoded(pieces, "base64")) == sound
