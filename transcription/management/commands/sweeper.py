from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections, connections

from transcription.fetches import fetcher
from transcription.maintenance.sweeper import (
    ARRIVALS,
    DELETIONS,
    EVERY_FEW_MINUTES,
    EVERY_FEW_SECONDS,
    EVERY_HOUR,
    EVERY_MINUTE,
    Task,
    sweep,
)
from transcription.queue import progress
from transcription.webhooks import dispatcher

ROUNDS: tuple[tuple[float, dict[str, Task]], ...] = (
    (2.0, EVERY_FEW_SECONDS),
    (3.0, ARRIVALS),
    (60.0, EVERY_MINUTE),
    (300.0, EVERY_FEW_MINUTES),
    (3600.0, EVERY_HOUR),
    (5.0, DELETIONS),
)
LOOPS = (dispatcher.run, fetcher.run)
LAST_WORDS_SECONDS = 20.0


class Command(BaseCommand):
    help = "Puts right what crashes and lost wake-ups left behind; sends webhooks, and fetches recordings by URL."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep everything once and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            sweep(EVERY_FEW_SECONDS | ARRIVALS | EVERY_MINUTE | EVERY_FEW_MINUTES | EVERY_HOUR | DELETIONS)
            fetcher.fetch_due()
            dispatcher.send_due()
            progress.flush()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        for seconds, tasks in ROUNDS:
            threading.Thread(target=_repeat, args=(stop, seconds, tasks), daemon=True).start()
        loops = [threading.Thread(target=loop, args=(stop,), daemon=True) for loop in LOOPS]
        for loop in loops:
            loop.start()
        stop.wait()
        for loop in loops:
            loop.join(LAST_WORDS_SECONDS)


def _repeat(stop: threading.Event, seconds: float, tasks: dict[str, Task]) -> None:
    """A round waits for no other: hours of deleting old media don't keep leases from expiring."""
    while True:
        close_old_connections()
        sweep(tasks)
        connections.close_all()
        if stop.wait(seconds):
            return
