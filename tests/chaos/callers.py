"""Clients that send recordings over HTTP and do not give up before each one is accepted."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.expected import mode_of
from tests.chaos.recordings import Made

RETRY_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
CALLERS = 3


@dataclass(frozen=True)
class Try:
    """One request: when it began and ended, in Unix time, and its answer (0: none)."""

    began: float
    ended: float
    status: int
    detail: str = ""


@dataclass(frozen=True)
class Accepted:
    """What the portal promised with its 201, when, and to whom; `seconds` from the first try on."""

    made: Made
    tenant: str
    key: str
    recording: str
    transcription: str
    seconds: float
    moment: float


class Callers:
    """`may_send` says when the next recording may go, `patience` how long one answer is waited for."""

    def __init__(
        self,
        url: str,
        seed: int,
        tenants: list[dict[str, Any]],
        may_send: Callable[[], bool],
        verify: ssl.SSLContext | bool = True,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.accepted: list[Accepted] = []
        self.tries: list[Try] = []
        self.given_up: list[Made] = []
        self._url = url
        self._chance = random.Random(f"{seed}/callers")
        self._tenants = tenants
        self._may_send = may_send
        self._verify = verify
        self._patience = patience
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, recordings: Iterable[Made]) -> None:
        queue = iter(recordings)
        self._threads = [threading.Thread(target=self._call, args=(queue,), daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    @property
    def are_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _call(self, queue: Iterator[Made]) -> None:
        while not self._ending.is_set():
            with self._lock:
                made = next(queue, None)
                tenant = self._chance.choice(self._tenants)
                key = self._chance.choice(tenant["keys"])
            if made is None:
                return
            while not self._may_send() and not self._ending.is_set():
                time.sleep(0.05)
            self._deliver(made, str(tenant["id"]), key)

    def _deliver(self, made: Made, tenant: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"recording-{made.number}"}
        began = time.monotonic()
        with httpx.Client(base_url=self._url, headers=headers, timeout=self._patience, verify=self._verify) as http:
            while not self._ending.is_set():
                body = self._try(http, made)
                if body is not None:
                    ids = str(body["id"]), str(body["transcription"]["id"])
                    seconds = time.monotonic() - began
                    self.accepted.append(Accepted(made, tenant, key, *ids, seconds, time.time()))
                    return
                self._ending.wait(RETRY_SECONDS)
        self.given_up.append(made)

    def _try(self, http: httpx.Client, made: Made) -> dict[str, Any] | None:
        """The answer's body once it is a 201; a client that has no clear answer asks again."""
        began = time.time()
        try:
            with made.file.open("rb") as file:
                options = {"mode": mode_of(made.file)}
                answer = http.post("/api/v1/recordings", files={"file": (made.file.name, file)}, data=options)
        except httpx.HTTPError as error:
            self.tries.append(Try(began, time.time(), 0, f"{type(error).__name__}: {error}"))
            return None
        detail = "" if answer.status_code == 201 else answer.text[:300]
        self.tries.append(Try(began, time.time(), answer.status_code, detail))
        found: dict[str, Any] | None = answer.json() if answer.status_code == 201 else None
        return found
