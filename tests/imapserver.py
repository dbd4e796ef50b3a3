"""An IMAP server on this machine (pymap), with a mailbox to which messages are delivered."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

from imapclient import IMAPClient
from imapclient.tls import create_default_context

from tests.stack import free_port
from tests.waiting import until

USER, PASSWORD = "in@acme.example", "hush-hüsh"
START = """
from pymap.config import IMAPConfig
from pymap.main import main
from pysasl.hashing import BuiltinHash
IMAPConfig._get_hash_context = classmethod(lambda *_: BuiltinHash(rounds=1))  # half a second less for each sign-in
main()
"""


@dataclass
class MailServer:
    """`certificate` is its own, for `localhost`."""

    port: int
    certificate: Path
    folder: str = field(default="INBOX")

    @property
    def address(self) -> str:
        """The server's, which begins without TLS and goes on with it."""
        return f"imap://localhost:{self.port}"

    @contextmanager
    def signed_in(self) -> Iterator[IMAPClient]:
        with IMAPClient("localhost", self.port, ssl=False) as client:
            client.starttls(create_default_context_of(self.certificate))
            client.plain_login(USER, PASSWORD)
            yield client

    def begin(self) -> None:
        """Empties the folders that messages are moved to, and begins with a new one for what comes."""
        self.folder = f"In-{uuid4().hex[:8]}"
        with self.signed_in() as client:
            for name in ("Done", "Failed"):
                if client.folder_exists(name):
                    client.delete_folder(name)
            client.create_folder(self.folder)

    def deliver(self, *messages: EmailMessage | bytes) -> None:
        with self.signed_in() as client:
            for one in messages:
                client.append(self.folder, one if isinstance(one, bytes) else one.as_bytes())

    def subjects(self, name: str = "") -> list[str]:
        """Returns the subjects of what lies in a folder; without a name in the one that messages come to."""
        with self.signed_in() as client:
            if name and not client.folder_exists(name):
                return []
            client.select_folder(name or self.folder, readonly=True)
            found = client.fetch(client.search(), ["ENVELOPE"])
            return [(one[b"ENVELOPE"].subject or b"").decode() for one in found.values()]


def create_default_context_of(certificate: Path) -> ssl.SSLContext:
    context: ssl.SSLContext = create_default_context()
    context.load_verify_locations(certificate)
    return context


@contextmanager
def serving(key: Path, certificate: Path) -> Iterator[MailServer]:
    port = free_port()
    command = [sys.executable, "-c", START, "--host", "127.0.0.1", "--port", str(port), "--cert", str(certificate)]
    command += ["--key", str(key), "dict", "--demo-user", USER, "--demo-password", PASSWORD]
    server = MailServer(port, certificate)

    def answers() -> bool:
        try:
            with server.signed_in():
                return True
        except OSError:
            return False

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(answers)
            yield server
        finally:
            process.terminate()
