from __future__ import annotations

import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from transcription import progress
from transcription.sweeper import EVERY_FEW_MINUTES, EVERY_FEW_SECONDS, sweep

SHORT_SECONDS = 2.0
LONG_SECONDS = 300.0


class Command(BaseCommand):
    help = "Puts right what crashes and lost wake-ups left behind, every few seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep everything once and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            sweep(EVERY_FEW_SECONDS | EVERY_FEW_MINUTES)
            progress.flush()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        next_long = time.monotonic()
        while not stop.wait(SHORT_SECONDS):
            sweep(EVERY_FEW_SECONDS)
            if time.monotonic() >= next_long:
                sweep(EVERY_FEW_MINUTES)
                next_long = time.monotonic() + LONG_SECONDS
            close_old_connections()
