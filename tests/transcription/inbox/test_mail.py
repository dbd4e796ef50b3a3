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
from transcription.exchange.places import Wanted
from transcription.folders import folders
from transcription.inbox import mail, polling, taking
from transcription.inbox.headers import Header
from transcription.models import Recording, Way
from transcription.outbound import exchange, imap
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


def wanted(server: MailServer, **other: Any) -> Wanted:
    settings = {"endpoint": server.address, "key_id": USER, "secret": PASSWORD, "path": server.folder}
    settings |= {"senders": "acme.example", "authserv_id": "mx.acme.example"}
    return Wanted("Mail", "mailbox", **settings | other)


@pytest.fixture
def mailbox(alice: Character, server: MailServer) -> Place:
    return places.create(alice.actor, wanted(server))


def message(subject: str, *sounds: tuple[str, bytes], sender: str = CAROL, results: str = VOUCHED) -> EmailMessage:
    """A message with files, by their names, and what the receiving server says of its sender."""
    made = EmailMessage()
    if results:
        made["Authentication-Results"] = results
    made["From"], made["Subject"], made["Message-ID"] = f"Carol <{sender}>", subject, f"<{subject}@x>"
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
    """A server that signs anybody in, and answers questions for a message's structure in its own way."""

    def __init__(self, keys: tuple[Path, Path], structure: bytes | None) -> None:
        self.structure = structure
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(keys[1], keys[0])
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

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
        done = tag + b" OK done\r\n"
        header = f"From: {CAROL}\r\nAuthentication-Results: {VOUCHED}\r\n\r\n".encode()
        said = {
            b"CAPABILITY": b"* CAPABILITY IMAP4rev1 MOVE\r\n",
            b"EXAMINE": b"* OK [UIDVALIDITY 7] fine\r\n* 2 EXISTS\r\n",
            b"UID SEARCH": b"* SEARCH 1 2\r\n",
            b"UID FETCH 1,2": b"".join(
                b"* %d FETCH (UID %d BODY[HEADER.FIELDS (FROM)]<0> {%d}\r\n%b)\r\n" % (n, n, len(header), header)
                for n in (1, 2)
            ),
            b"UID FETCH 1": b"* 1 FETCH (UID 1 BODYSTRUCTURE " + (self.structure or b"") + b")\r\n",
            b"LOGOUT": b"* BYE\r\n",
        }
        return next((text for asked, text in said.items() if question.startswith(asked)), b"") + done


@pytest.mark.parametrize("structure", [b"(" * 100_000, b"(" * 2_000_000, b"{99999999999}\r\n", b"NIL", b'("A" "B")'])
def test_a_structure_that_nobody_can_read_refuses_one_message(
    alice: Character, keys: tuple[Path, Path], trusted: None, server: MailServer, structure: bytes
) -> None:
    hostile = Hostile(keys, structure)
    with hostile.socket:
        address = f"imaps://localhost:{hostile.socket.getsockname()[1]}"
        place = places.create(alice.actor, wanted(server, endpoint=address, secret="ascii"))
        assert mail.note(place) == 1, "the next one has its turn when this one is noted"
    row = Arrival.objects.get()
    assert (row.state, row.locator) == ("refused", "7.1")
    assert "too many parts" in row.last_error


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
