from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections, connections

from tenants.schema import SchemaBehind, require_migrations
from transcription import processes, redis
from transcription.exchange import sender
from transcription.fetches import fetcher
from transcription.inbox import polling, taking
from transcription.maintenance.sweeper import ROUNDS, Round, note, registration, sweep
from transcription.queue import progress
from transcription.strikes import copies
from transcription.videos import making as videos
from transcription.webhooks import dispatcher

LOOPS = (dispatcher.run, fetcher.run, sender.run, polling.run, taking.run, copies.run, videos.run)
STOP_SECONDS = 20.0


class Command(BaseCommand):
    help = (
        "Repairs what crashes and lost wake-ups left behind, sends webhooks, downloads recordings by URL, "
        "and makes redacted sound and videos with subtitles."
    )
    requires_system_checks = []  # they import all pages, of which it serves none; `manage.py check` runs them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="run every task once and exit")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            redis.require_no_eviction()
            require_migrations()
        except (SchemaBehind, redis.EvictsKeys) as error:
            raise CommandError(str(error)) from None
        if options["once"]:
            for one in ROUNDS:
                sweep(one.tasks)
            fetcher.fetch_due()
            taking.take_due()
            sender.send_due()
            dispatcher.send_due()
            copies.make_due()
            videos.make_due()
            progress.flush()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        for one in ROUNDS:
            note(one)
            threading.Thread(target=_repeat, args=(stop, one), daemon=True).start()
        reporter = processes.Reporter(registration())
        reporter.start()
        loops = [threading.Thread(target=loop, args=(stop,), daemon=True) for loop in LOOPS]
        for loop in loops:
            loop.start()
        stop.wait()
        for loop in loops:
            loop.join(STOP_SECONDS)
        reporter.stop()


def _repeat(stop: threading.Event, one: Round) -> None:
    """Runs a round's tasks with its pauses, until `stop` is set. One in which a task failed did not go well."""
    while True:
        close_old_connections()
        counts = sweep(one.tasks)
        connections.close_all()
        if len(counts) == len(one.tasks):
            note(one)
        if stop.wait(one.pause):
            return
