"""Latency by stage, for people and for Prometheus."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.portal.ops.test_metrics import samples
from transcription import stage_times

pytestmark = pytest.mark.django_db
PAGE = "/admin/operations/latency/"


def test_each_period_has_its_quantiles_and_a_chart(operator: Client, client: Client) -> None:
    now = timezone.now()
    for age, seconds in ((timedelta(minutes=2), 8.0), (timedelta(hours=3), 200.0), (timedelta(days=3), 900.0)):
        for _ in range(20):
            stage_times.count({"queue": seconds, "engine": 2.0}, now - age)
    for period, p50, count in (("quarter", "7.5 s", 20), ("day", "10 s", 40), ("week", "3 min 30 s", 60)):
        address = f"{PAGE}?period={period}"
        page = operator.get(address, headers={"x-requested-with": "fetch"}).content.decode()
        assert f'href="?period={period}" aria-current="true"' in page
        assert f'<th scope="row">Wait</th><td>{count}</td><td>{p50}</td>' in page
        assert page.count("<path d=") == 6
        assert "style=" not in page
    found = samples(client)
    assert found["whisper_stage_duration_seconds_countqueue"] == 60
    assert found["whisper_stage_duration_seconds_bucket10.0/queue"] == 20


def test_a_quiet_portal_and_an_unknown_period_have_a_page(operator: Client) -> None:
    page = operator.get(f"{PAGE}?period=<b>").content.decode()
    assert "Nothing was completed in this time." in page
    assert "15 minutes" in page


def test_it_is_for_operators(client: Client) -> None:
    assert client.get(PAGE).status_code == 302
