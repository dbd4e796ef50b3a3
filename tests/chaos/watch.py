"""Looks into the database while it all happens. Of what it sees, nothing is changed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

EVERY_SECONDS = 0.4


@dataclass(frozen=True)
class Running:
    """An attempt that is under way."""

    transcription: str
    fence: int
    attempts_made: int
    worker: str

    @property
    def pid(self) -> int:
        """Of its process: a worker's name ends with it."""
        found = re.search(r"\d+$", self.worker)
        return int(found[0]) if found else 0


class Watch:
    """Reads the same as an operator with psql would. The last counts stay while the database is away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.due = self.running = self.over = 0
        self.looks = self.idle_looks = 0
        self._over_before = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def count_from_here(self) -> None:
        """Leaves what is over by now out of the counts. Raises psycopg.Error."""
        self._count()
        self._over_before += self.over
        self.over = self.looks = self.idle_looks = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Raises psycopg.Error."""
        with psycopg.connect(self._url, connect_timeout=5, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def attempts_under_way(self) -> list[Running]:
        """Raises psycopg.Error."""
        found = self.rows(
            "select id::text, fence, attempts_made, worker from transcription_transcription where status = 'running'"
        )
        return [Running(*row) for row in found]

    def are_over(self, transcriptions: Sequence[str]) -> bool:
        """Raises psycopg.Error."""
        ended = "status in ('completed', 'failed', 'cancelled')"
        query = f"select count(*) from transcription_transcription where id::text = any(%s) and {ended}"
        return bool(self.rows(query, list(transcriptions))[0][0] == len(transcriptions))

    def _look(self) -> None:
        while not self._ending.is_set():
            try:
                self._count()
            except psycopg.Error:
                pass
            time.sleep(EVERY_SECONDS)

    def _count(self) -> None:
        query = """select count(*) filter (where status = 'queued' and not_before <= now()),
                          count(*) filter (where status = 'running'),
                          count(*) filter (where status not in ('queued', 'running'))
                   from transcription_transcription"""
        self.due, self.running, over = self.rows(query)[0]
        self.over = over - self._over_before
        self.looks += 1
        self.idle_looks += self.due + self.running == 0
