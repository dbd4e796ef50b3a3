from __future__ import annotations

import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from transcription import progress
from transcription.sweeper import EVERY_FEW_MINUTES, EVERY_FEW_SECONDS, EVERY_HOUR, EVERY_MINUTE, Task, sweep

STEP_SECONDS = 2.0
ROUNDS: tuple[tuple[float, dict[str, Task]], ...] = (
    (STEP_SECONDS, EVERY_FEW_SECONDS),
    (60.0, EVERY_MINUTE),
    (300.0, EVERY_FEW_MINUTES),
    (3600.0, EVERY_HOUR),
)


class Command(BaseCommand):
    help = "Puts right what crashes and lost wake-ups left behind, every few seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep everything once and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            sweep(EVERY_FEW_SECONDS | EVERY_MINUTE | EVERY_FEW_MINUTES | EVERY_HOUR)
            progress.flush()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        due = [time.monotonic() for _ in ROUNDS]
        while not stop.wait(STEP_SECONDS):
            for number, (seconds, tasks) in enumerate(ROUNDS):
                if time.monotonic() >= due[number]:
                    due[number] = time.monotonic() + seconds - STEP_SECONDS / 2
                    close_old_connections()
                    sweep(tasks)
            close_old_connections()
