from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from portal.exposure import is_loopback
from portal.supervisor import demo, preparation
from portal.supervisor.announcement import announce_when_ready
from portal.supervisor.console import say
from portal.supervisor.data_folder import FolderRefused, lock_folder
from portal.supervisor.listener import AddressRefused, listening
from portal.supervisor.preparation import PreparationFailed
from portal.supervisor.process_set import ProcessSet, environment_of
from transcription.connections import close_database
from transcription.redaction import redact
from transcription.worker import parent_death


class Command(BaseCommand):
    help = "Runs the whole portal on this machine, until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port to listen on")
        parser.add_argument("--reload", action="store_true", help="restart the web process when a source file changes")
        parser.add_argument("--tied", action="store_true", help="stop when the process that started this one ends")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["tied"]:
            parent_death.die_with_parent(os.getppid(), signal.SIGTERM)
        os.umask(0o077)  # media, database and sockets are this account's alone
        host, port = options["host"], options["port"]
        started_at, url = time.monotonic(), url_of(port)
        try:
            settings.REQUIRE_SAFE_SETTINGS(host=host)
            with lock_folder(settings.DATA, f"process {os.getpid()}, {url}"), listening(host, port) as listener:
                prepare(url, host)
                processes = ProcessSet(listener, settings.DATA / "logs", environment_of(host, port, url))
                announce = partial(announce_when_ready, url, address_of(host, port), started_at)
                processes.run(announce, reload=options["reload"])
        except (AddressRefused, FolderRefused, ImproperlyConfigured, PreparationFailed) as error:
            raise CommandError(str(error)) from None
        except (OSError, DatabaseError) as error:
            raise CommandError(redact(f"The portal can't start: {str(error).strip()}.")) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None


def prepare(url: str, host: str) -> None:
    """Creates whatever an installation lacks. Raises PreparationFailed."""
    preparation.prepare_database()
    preparation.collect_static_files()
    if demo.is_new_installation():
        create_accounts(url, host)
    close_database()
    preparation.fetch_weights()


def create_accounts(url: str, host: str) -> None:
    """Creates a first tenant and its people, unless other machines could use its accounts before its owner does."""
    if settings.DEMO_ACCOUNTS or is_loopback(host):
        demo.create(url)
        say(f"Created a first tenant and its people. Credentials: {demo.credentials_file()}")
        return
    say(f"Other machines can reach {host}, so no accounts were created. Create the first operator:")
    say(f"  PORTAL_DATA={settings.DATA} {sys.executable} {settings.BASE_DIR / 'manage.py'} createsuperuser")
    say("and then tenants and their members in the admin, or start with DEMO_ACCOUNTS=yes.")


def url_of(port: int) -> str:
    """Returns PORTAL_URL as configured, with the port of this start where it is the default."""
    default = f"http://127.0.0.1:{settings.PORT}"
    return f"http://127.0.0.1:{port}" if default == settings.PORTAL_URL else str(settings.PORTAL_URL)


def address_of(host: str, port: int) -> str:
    """Returns the URL at which this machine itself reaches the web process."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{reachable}]' if ':' in reachable and not reachable.startswith('[') else reachable}:{port}"
