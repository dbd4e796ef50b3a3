from __future__ import annotations

import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.schema import SchemaBehind, require_migrations
from transcription import processes, redis
from transcription.exchange import sender
from transcription.fetches import fetcher
from transcription.inbox import taking
from transcription.maintenance import rounds, sweeper
from transcription.maintenance.rounds import Round
from transcription.queue import progress
from transcription.strikes import copies
from transcription.videos import making as videos
from transcription.webhooks import dispatcher
from transcription.work_threads import WorkThreads

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
            for one in sweeper.ROUNDS:
                rounds.sweep(one.tasks)
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
        beside = sweeper.beside(stop)
        everything = (*sweeper.ROUNDS, *beside)
        reporter = processes.Reporter(sweeper.registration(everything))
        reporter.start()
        looking = threading.Thread(target=rounds.run, args=(stop, everything), daemon=True)
        looking.start()
        stop.wait()
        end = time.monotonic() + STOP_SECONDS
        working: list[Round | WorkThreads[Any]] = [*beside, *sweeper.WORKING]
        looking.join(STOP_SECONDS)
        for work in working:
            work.finish(max(0.0, end - time.monotonic()))
        reporter.stop()
