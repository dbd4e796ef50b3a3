"""/metrics for Prometheus."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from portal import metrics
from tenants import scope
from tenants.models import UsageMonth
from tests.conftest import Character
from tests.portal.ops.conftest import condition
from tests.transcription.characters import submit
from tests.transcription.webhooks.conftest import completed, subscribe
from transcription.errors import Refused
from transcription.models import Lane, Statistic, Transcription
from transcription.options import engines
from transcription.webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db


def samples(client: Client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    families = text_string_to_metric_families(text)
    return {sample.name + "/".join(sample.labels.values()): sample.value for one in families for sample in one.samples}


def test_engines_and_an_empty_queue(client: Client) -> None:
    engines.report("gpu:0", condition(gpu=1024.0), 7, 8)
    found = samples(client)
    assert found["whisper_engine_readygpu:0"] == 1
    assert found["whisper_workers_alivegpu:0"] == 7
    assert found["whisper_gpu_memory_used_bytesgpu:0"] == 1024**3
    assert found["whisper_engine_tokens_totalgpu:0"] == 120
    assert found["whisper_engine_batch_windows_totalgpu:0"] / found["whisper_engine_batches_totalgpu:0"] == 1.5
    assert found["whisper_engine_model_unloads_totalgpu:0/room"] == 0
    assert found["whisper_queue_lengthinteractive"] == 0
    assert found["whisper_transcriptions_totalfailed"] == 0


def test_tenants_with_the_most_are_told_apart_by_id_and_the_others_together(
    client: Client, alice: Character, mallory: Character, fox: Path, settings: LazySettings
) -> None:
    settings.METRICS_TENANTS = 1
    for who, count in ((alice, 1), (mallory, 2)):
        with scope.bound(who.tenant.id):
            for number in range(count):
                submit(who.actor, fox, prompt=str(number))
            UsageMonth.objects.update(used_seconds=60 * count)
            who.tenant.quota.monthly_seconds = 600 if who is mallory else 100
            who.tenant.quota.save()
    with scope.bound(alice.tenant.id):
        row = submit(alice.actor, fox, prompt="fails")
        Transcription.objects.filter(id=row.id).update(status="failed", error_code="quota", finished_at=timezone.now())
    found = samples(client)
    assert found[f"whisper_tenant_queue_length{mallory.tenant.id}"] == 2
    assert found["whisper_tenant_queue_lengthother"] == 1
    assert found["whisper_tenant_failedengine/other"] == 0
    assert found[f"whisper_tenant_failedquota/{alice.tenant.id}"] == 1
    assert f"whisper_tenant_audio_seconds_total{alice.tenant.id}" not in found
    assert found[f"whisper_tenant_audio_seconds_total{mallory.tenant.id}"] == 120
    assert found[f"whisper_tenant_quota_used_ratio{alice.tenant.id}"] > 0.6, "the fullest, not the largest"
    with scope.bound(mallory.tenant.id):
        UsageMonth.objects.update(used_seconds=180)
    now = samples(client)
    assert now[f"whisper_tenant_audio_seconds_total{mallory.tenant.id}"] == 180, "one of two processes would fall"


def test_tenants_have_names_in_metrics_only_where_the_operator_wants_that(
    client: Client, alice: Character, fox: Path, settings: LazySettings
) -> None:
    with scope.bound(alice.tenant.id):
        submit(alice.actor, fox)
    assert "Acme" not in client.get("/metrics").content.decode()
    settings.METRICS_TENANT_NAMES = True
    metrics.tenant_figures.forget()
    assert samples(client)[f"whisper_tenant_queue_lengthAcme ({str(alice.tenant.id)[:8]})"] == 1


def test_what_a_limit_refuses_is_counted(alice: Character, fox: Path) -> None:
    def counted() -> float:
        labels = {"tenant": str(alice.tenant.id), "limit": "monthly_seconds"}
        return REGISTRY.get_sample_value("portal_quota_refusals_total", labels) or 0.0

    alice.tenant.quota.monthly_seconds = 1
    alice.tenant.quota.save()
    with scope.bound(alice.tenant.id), pytest.raises(Refused):
        submit(alice.actor, fox)
    assert counted() == 1
    other = {"tenant": str(alice.tenant.id), "limit": "upload_bytes"}
    assert REGISTRY.get_sample_value("portal_quota_refusals_total", other) == 0, "its first is seen as one"


def test_strangers_may_not_read_it(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403
    assert client.get("/metrics", headers={"x-forwarded-for": "10.0.0.1"}).status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.1").status_code == 200


def test_a_token_replaces_the_private_network(client: Client, settings: LazySettings) -> None:
    settings.METRICS_TOKEN = "secret"
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 403
    right = {"authorization": "Bearer secret"}
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers=right).status_code == 200


def test_what_ended_is_a_counter_and_how_long_it_took_a_histogram(client: Client) -> None:
    rows = [("ended", "failed", 0.0), ("wait", "0.5", 0.4), ("wait", "+Inf", 20_000.0)]
    for name, label, seconds in rows:
        microseconds = round(seconds * 1e6)
        Statistic.objects.create(name=name, lane=Lane.STANDARD, label=label, count=1, microseconds=microseconds)
    found = samples(client)
    assert found["whisper_transcriptions_totalfailed"] == 1
    assert found["whisper_wait_duration_seconds_bucketstandard/0.25"] == 0
    assert found["whisper_wait_duration_seconds_bucketstandard/0.5"] == 1
    assert found["whisper_wait_duration_seconds_bucketstandard/+Inf"] == 2
    assert found["whisper_wait_duration_seconds_countstandard"] == 2
    assert found["whisper_wait_duration_seconds_sumstandard"] == pytest.approx(20_000.4)


def test_webhooks_that_nobody_sends_are_late_but_not_those_of_a_receiver_that_fails_or_came_back(
    client: Client, alice: Character, settings: LazySettings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    with scope.bound(alice.tenant.id):
        endpoint = subscribe(alice, "https://127.0.0.1/").endpoint
        completed(alice)
        Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(hours=2))
        hook = Endpoint.objects.filter(id=endpoint.id)
        hook.update(not_before=timezone.now() - timedelta(hours=3))
        assert samples(client)["portal_webhooks_late_seconds"] == pytest.approx(7200, abs=60)
        hook.update(not_before=timezone.now())
        assert samples(client)["portal_webhooks_late_seconds"] < 60
        hook.update(not_before=timezone.now() - timedelta(hours=3), failures=3)
        assert samples(client)["portal_webhooks_late_seconds"] == 0
