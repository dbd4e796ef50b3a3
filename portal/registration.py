"""Registers a web process while it serves, by ASGI's lifespan, with what it has counted lately."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from portal.http import request_metrics
from portal.http.asgi import Application, Receive, Scope, Send
from portal.realtime import live_metrics
from tenants import refusals
from transcription import processes
from transcription.alerts import measuring
from transcription.models import Process

UNTIMED = re.compile(r"/v1/audio/.*|/api/v1/uploads.*")
UNTIMED_POSTS = re.compile(r"/api/v1/recordings|/recordings/")
PROBES = re.compile(r"/health|/readyz")
"""The routes that docker/prometheus/alerts.yml leaves out, too."""

REQUESTS_WINDOW, LIVE_WINDOW = 300.0, 600.0
Counts = Counter[str]


class LifespanMiddleware:
    """ASGI middleware that reports this process from its start to its end."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.application(scope, receive, send)
            return
        reporter = processes.Reporter(processes.Registration(Process.Kind.WEB, Figures()))
        await receive()
        reporter.start()
        refusals.begin()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        reporter.stop()
        await send({"type": "lifespan.shutdown.complete"})


class Recent:
    """What was counted in the last `seconds`, of what only grows."""

    def __init__(self, count: Callable[[], Counts], seconds: float) -> None:
        self._count = count
        self._earlier: deque[Counts] = deque([Counter()], maxlen=round(seconds / processes.REPORT_SECONDS))

    def read(self) -> dict[str, float]:
        """Returns it up to now. Call every REPORT_SECONDS."""
        now, before = self._count(), self._earlier[0]
        self._earlier.append(now)
        return {name: count - before[name] for name, count in now.items()}


class Figures:
    """What a web process knows alone: how fast and how well it answered in the last minutes."""

    def __init__(self) -> None:
        self._answers = Recent(answer_seconds, REQUESTS_WINDOW)
        self._requests = Recent(requests, REQUESTS_WINDOW)
        self._live = Recent(live_seconds, LIVE_WINDOW)

    def __call__(self) -> dict[str, Any]:
        seconds = {measuring.ANSWER_SECONDS: self._answers.read(), measuring.LIVE_SECONDS: self._live.read()}
        return self._requests.read() | seconds


def answer_seconds() -> Counts:
    """Counts answers by the upper bounds of their times, without what takes as long as its sender does."""
    counts: Counts = Counter()
    for labels, bound, count in _buckets(request_metrics.seconds):
        is_post = labels["method"] == "POST" and UNTIMED_POSTS.fullmatch(labels["route"])
        if not is_post and not UNTIMED.fullmatch(labels["route"]):
            counts[bound] += count
    return counts


def live_seconds() -> Counts:
    """Counts passes over live speech by the upper bounds of what they left unheard."""
    return Counter({bound: count for _labels, bound, count in _buckets(live_metrics.behind)})


def requests() -> Counts:
    counts: Counts = Counter({measuring.ANSWERED: 0, measuring.FAILED: 0})
    for sample in _samples(request_metrics.requests, "_total"):
        if not PROBES.fullmatch(sample.labels["route"]):
            counts[measuring.ANSWERED] += sample.value
            counts[measuring.FAILED] += sample.value if sample.labels["status"].startswith("5") else 0
    return counts


def _buckets(metric: MetricWrapperBase) -> list[tuple[dict[str, str], str, Any]]:
    return [(sample.labels, sample.labels["le"], sample.value) for sample in _samples(metric, "_bucket")]


def _samples(metric: MetricWrapperBase, ending: str) -> list[Any]:
    return [sample for family in metric.collect() for sample in family.samples if sample.name.endswith(ending)]
