"""docker/prometheus: each alert fires and stays quiet as it should, and asks for metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from portal.http import request_metrics
from tests.portal.ops.conftest import condition
from tests.stack import ROOT
from transcription.models import Lane, Statistic
from transcription.options import engines

RULES = ROOT / "docker" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "portal.json"
CASES = Path(__file__).with_name("alerts.yml")
METRIC = re.compile(r"\b(?:whisper|portal)_\w+")
SUFFIXES = ("_bucket", "_count", "_sum", "_created")


def rules() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries_of(panels: list[dict[str, Any]]) -> list[str]:
    own = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return own + [query for panel in panels for query in queries_of(panel.get("panels", []))]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool is installed")
def test_each_alert_fires_and_stays_quiet_as_it_should() -> None:
    done = subprocess.run(["promtool", "test", "rules", CASES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_alert_is_tried_and_explained() -> None:
    named = {rule["alert"] for rule in rules()}
    assert named == set(re.findall(r'alertname="(\w+)"', CASES.read_text()))
    explained = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in named if f"| `{name}` |" not in explained] == []


@pytest.mark.django_db
def test_alerts_and_dashboard_ask_for_metrics_that_there_are(client: Client) -> None:
    """Before a check of the accounts and a backup there is none of these, nor has a process alone any of requests."""
    engines.report("gpu:0", condition(gpu=1024.0), 7, 8)
    for name in ("wait", "processing"):
        Statistic.objects.create(name=name, lane=Lane.STANDARD, label="0.5", count=1, microseconds=400_000)
    text = client.get("/metrics").content.decode()
    found = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    found |= {"portal_account_discrepancies", "portal_account_check_age_seconds", "portal_backup_age_seconds"}
    for metric in (request_metrics.requests, request_metrics.seconds, request_metrics.websockets):
        found |= {f"{metric._name}{suffix}" for suffix in ("", "_total", *SUFFIXES)}
    queries = [rule["expr"] for rule in rules()] + queries_of(json.loads(DASHBOARD.read_text())["panels"])
    assert {name for query in queries for name in METRIC.findall(query)} - found == set()
