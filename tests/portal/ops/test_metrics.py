"""/metrics for Prometheus."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.portal.ops.conftest import condition
from transcription.models import Lane, Statistic
from transcription.options import engines

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
    assert found["whisper_queue_lengthinteractive"] == 0
    assert found["whisper_transcriptions_totalfailed"] == 0


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
    Statistic.objects.bulk_create(
        Statistic(name=name, lane=Lane.STANDARD, label=label, count=1, sum=seconds) for name, label, seconds in rows
    )
    found = samples(client)
    assert found["whisper_transcriptions_totalfailed"] == 1
    assert found["whisper_wait_duration_seconds_bucketstandard/0.25"] == 0
    assert found["whisper_wait_duration_seconds_bucketstandard/0.5"] == 1
    assert found["whisper_wait_duration_seconds_bucketstandard/+Inf"] == 2
    assert found["whisper_wait_duration_seconds_countstandard"] == 2
    assert found["whisper_wait_duration_seconds_sumstandard"] == pytest.approx(20_000.4)
