"""/metrics for Prometheus: the installation, read from the database, and the requests to this host's web processes.

The former is the same from every web process: with several, take the maximum and not the sum.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.http import require_safe
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from portal import __version__, health
from portal.http import request_metrics
from portal.ops import by_tenant, figures
from portal.ops.figures import Load
from tenants import announcements, scope
from tenants.models import Backup
from transcription import stage_times
from transcription.alerts import evaluation, measuring
from transcription.engine.types import UNLOADS
from transcription.fetches import claims
from transcription.models import Engine, Lane, Status
from transcription.models.sweeper import sweepers_alive
from transcription.queue import statistics
from transcription.webhooks import deliveries, endpoints

MIB = 1024**2
Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)
Figure = tuple[str, str, Callable[[Engine], float | None]]
ENGINE_GAUGES: tuple[Figure, ...] = (
    ("whisper_engine_up", "Whether a gpuworker reports, loading or not.", lambda one: one.is_alive),
    ("whisper_engine_ready", "Whether an engine takes work.", lambda one: one.ready and one.is_alive),
    ("whisper_workers_alive", "RQ workers beside an engine.", lambda one: one.workers_alive if one.is_alive else 0),
    ("whisper_engine_memory_bytes", "Resident memory of an engine.", lambda one: one.memory_used_mib * MIB),
    ("whisper_gpu_memory_used_bytes", "GPU memory in use.", lambda one: _bytes(one.gpu_memory_used_mib)),
    ("whisper_gpu_memory_total_bytes", "GPU memory there is.", lambda one: _bytes(one.gpu_memory_total_mib)),
    ("whisper_engine_windows_waiting", "Windows in an engine's queue.", lambda one: one.queued_windows),
    ("whisper_engine_windows_running", "Windows under way.", lambda one: one.windows_running),
    ("whisper_engine_batch_capacity", "Windows that a batch or a step may hold.", lambda one: one.batch_capacity),
    ("whisper_engine_start_time_seconds", "When it started, in Unix time.", lambda one: one.started_at.timestamp()),
)
ENGINE_COUNTERS: tuple[Figure, ...] = (
    ("whisper_engine_audio_seconds", "Audio decoded since its start.", lambda one: one.audio_seconds_done),
    ("whisper_engine_windows", "Windows decoded since its start.", lambda one: one.windows_done),
    ("whisper_engine_busy_seconds", "Seconds of its batches, side by side ones, too.", lambda one: one.busy_seconds),
    ("whisper_engine_tokens", "Tokens decoded since its start.", lambda one: one.tally.get("tokens", 0)),
    ("whisper_engine_batches", "Batches, or steps, since its start.", lambda one: one.tally.get("batches", 0)),
    ("whisper_engine_batch_windows", "Windows in these batches.", lambda one: one.tally.get("batch_windows", 0)),
    ("whisper_engine_model_loads", "Models loaded since its start.", lambda one: one.tally.get("loads", 0)),
    ("whisper_engine_out_of_memory", "Times that memory ran out.", lambda one: one.tally.get("out_of_memory", 0)),
    ("whisper_engine_restarts", "Restarts since its gpuworker's start.", lambda one: one.restarts),
)
tenant_figures = figures.Remembered(by_tenant.read)
PRIVATE = [
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return HttpResponseForbidden("METRICS_TOKEN as a bearer token, or a private address, is needed.\n")
    registry = CollectorRegistry()
    registry.register(Installation(figures.load()))
    text = generate_latest(registry) + generate_latest(request_metrics.registry())
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    """Returns whether the request has the token or, if none is set, comes directly from a private address.

    Requests through a proxy don't count as private.
    """
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in network for network in PRIVATE)


class Installation(Collector):
    """Converts figures to Prometheus metrics. Times are in seconds, memory in bytes."""

    def __init__(self, now: Load) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        yield from self._tenants()
        yield from self._totals()
        yield from self._latency()
        yield from self._engines()
        yield from self._here()
        yield from self._accounts()
        yield from self._backups()
        yield from self._webhooks()

    def _queue(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("whisper_queue_length", "Transcriptions that wait.", labels=["lane"])
        seconds = GaugeMetricFamily("whisper_queue_audio_seconds", "Audio that waits.", labels=["lane"])
        running = GaugeMetricFamily("whisper_running", "Transcriptions under way.", labels=["lane"])
        for lane in self._now.lanes:
            waiting.add_metric([lane.name], lane.waiting)
            seconds.add_metric([lane.name], lane.waiting_seconds)
            running.add_metric([lane.name], lane.running)
        yield from (waiting, seconds, running)
        yield GaugeMetricFamily(
            "whisper_queue_oldest_seconds", "How long the first in the queue has waited.", value=self._now.oldest_wait
        )

    def _tenants(self) -> Iterator[Metric]:
        """Yields nothing of tenants where METRICS_TENANTS is 0."""
        if not settings.METRICS_TENANTS:
            return
        with scope.across_tenants("operators watch the whole installation"):
            found, used = tenant_figures.read(self._now.at), by_tenant.used(self._now.at)
        gauges = {
            "whisper_tenant_queue_length": ("Transcriptions that wait.", found.waiting),
            "whisper_tenant_running": ("Transcriptions under way.", found.running),
            "whisper_tenant_queue_oldest_seconds": ("How long a tenant's first has waited.", found.oldest),
            "whisper_tenant_quota_used_ratio": ("Share of this month's audio used or reserved.", found.share),
        }
        for name, (meaning, figure) in gauges.items():
            yield _by_tenant(GaugeMetricFamily(name, meaning, labels=["tenant"]), figure)
        meaning = "Audio that was charged this month."
        yield _by_tenant(CounterMetricFamily("whisper_tenant_audio_seconds", meaning, labels=["tenant"]), used)
        failed = GaugeMetricFamily("whisper_tenant_failed", "Failed in the last day.", labels=["tenant", "cause"])
        for labels, count in found.failed.items():
            failed.add_metric(labels, count)
        yield failed

    def _totals(self) -> Iterator[Metric]:
        counts, histograms = statistics.totals()
        ended = CounterMetricFamily("whisper_transcriptions", "Transcriptions that ended.", labels=["status"])
        for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
            ended.add_metric([status], counts.get(status, 0))
        yield ended
        meanings = {
            statistics.WAIT: "From the request to the claim, of completed transcriptions.",
            statistics.PROCESSING: "From the claim to the text.",
        }
        stages = HistogramMetricFamily(
            "whisper_stage_duration_seconds", "How long a stage of completed transcriptions took.", labels=["stage"]
        )
        for stage, times in sorted(stage_times.totals().items()):
            stages.add_metric([stage], list(zip(stage_times.BOUNDS, accumulate(times.counts), strict=True)), times.sum)
        yield stages
        for name, meaning in meanings.items():
            family = HistogramMetricFamily(f"whisper_{name}_duration_seconds", meaning, labels=["lane"])
            for lane, found in histograms[name].items():
                buckets = list(zip(statistics.BOUNDS, found.counts, strict=True))
                family.add_metric([Lane(lane).key], buckets, found.sum)
            yield family

    def _latency(self) -> Iterator[Metric]:
        rate = self._now.throughput
        yield GaugeMetricFamily("whisper_throughput", "Audio seconds finished in a second, last hour.", value=rate)

    def _engines(self) -> Iterator[Metric]:
        for kind, figures_of in ((GaugeMetricFamily, ENGINE_GAUGES), (CounterMetricFamily, ENGINE_COUNTERS)):
            for name, meaning, value in figures_of:
                family = kind(name, meaning, labels=["engine"])
                for engine in self._now.engines:
                    if (found := value(engine)) is not None:
                        family.add_metric([engine.name], found)
                yield family
        loaded = GaugeMetricFamily(
            "whisper_engine_model_loaded", "Whether a model is in memory.", labels=["engine", "model"]
        )
        unloads = CounterMetricFamily(
            "whisper_engine_model_unloads", "Models unloaded since its start.", labels=["engine", "reason"]
        )
        info = InfoMetricFamily("whisper_engine", "How an engine runs.", labels=["engine"])
        for engine in self._now.engines:
            info.add_metric([engine.name], {name: getattr(engine, name) for name in ("backend", "device", "rung")})
            for reason in UNLOADS:
                unloads.add_metric([engine.name, reason], engine.tally.get("unloads", {}).get(reason, 0))
            for model in engine.model_versions:
                loaded.add_metric([engine.name, model], model in engine.models_loaded)
        yield from (loaded, unloads, info)

    def _here(self) -> Iterator[Metric]:
        yield InfoMetricFamily("portal_build", "The release of this web process.", {"version": __version__})
        yield GaugeMetricFamily("whisper_redis_up", "Whether Redis answers.", value=self._now.redis_ms is not None)
        yield GaugeMetricFamily("portal_sweepers_alive", "Machines with a sweeper.", value=sweepers_alive())
        late = measuring.sweepers_late(self._now.at)
        yield GaugeMetricFamily("portal_sweeper_behind_seconds", "How late the sweepers' latest round is.", value=late)
        if (evaluated := evaluation.last_evaluated()) is not None:
            age = max(0.0, (self._now.at - evaluated).total_seconds())
            yield GaugeMetricFamily("portal_alerts_age_seconds", "Since all alerts were evaluated.", value=age)
        yield GaugeMetricFamily(
            "portal_maintenance", "Whether maintenance goes on.", value=announcements.maintenance() is not None
        )
        free = health.least_free_gib() * health.GIB
        yield GaugeMetricFamily(
            "portal_disk_free_bytes", "Free on the fullest disk of this host's uploads.", value=free
        )
        yield GaugeMetricFamily("whisper_web_memory_bytes", "Peak memory of this process.", value=_own_memory())

    def _accounts(self) -> Iterator[Metric]:
        """Yields the results of the last finished check; nothing before the first one."""
        check, age = self._now.accounts, self._now.accounts_age
        if check is None or age is None:
            return
        yield GaugeMetricFamily(
            "portal_account_discrepancies", "Figures of accounts that disagree.", value=len(check.discrepancies)
        )
        yield GaugeMetricFamily(
            "portal_account_check_age_seconds", "Since the accounts were compared.", value=age.total_seconds()
        )

    def _backups(self) -> Iterator[Metric]:
        """Yields nothing before the first one."""
        last = Backup.objects.first()
        if last is not None:
            age = (self._now.at - last.finished_at).total_seconds()
            yield GaugeMetricFamily("portal_backup_age_seconds", "Since the last backup was made.", value=age)
            yield GaugeMetricFamily("portal_backup_bytes", "Bytes of the last backup, unencrypted.", value=last.bytes)

    def _webhooks(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("portal_webhook_deliveries", "Deliveries that wait, or failed.", labels=["state"])
        for state, count in deliveries.counts().items():
            family.add_metric([state], count)
        yield family
        late = deliveries.seconds_late()
        yield GaugeMetricFamily("portal_webhooks_late_seconds", "For how long a delivery has been due.", value=late)
        paused, failing = endpoints.troubled()
        yield GaugeMetricFamily("portal_webhooks_paused", "Webhooks that were paused for failing.", value=paused)
        yield GaugeMetricFamily("portal_webhooks_failing", "Webhooks whose last delivery failed.", value=failing)
        untrusted = endpoints.untrusted()
        yield GaugeMetricFamily(
            "portal_webhooks_untrusted", "Webhooks that fail for their receiver's certificate.", value=untrusted
        )
        yield GaugeMetricFamily("portal_fetches", "Downloads by URL that are under way.", value=claims.under_way())


def _by_tenant(family: Family, figure: dict[str, float]) -> Family:
    for tenant, value in figure.items():
        family.add_metric([tenant], value)
    return family


def _bytes(mib: float | None) -> float | None:
    return None if mib is None else mib * MIB


def _own_memory() -> float:
    return health.own_memory_mib() * MIB
