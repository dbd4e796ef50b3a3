"""Alerts: docker/prometheus fires each and stays quiet as it should, the product's own are the same, and their page.

That their metrics are there, test_up.py sees.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import LazySettings
from django.test import Client

from portal.http import request_metrics
from portal.registration import Figures
from tenants.models import User
from tests.portal.ops.test_permissions import allow, client_of
from tests.portal.ops.test_permissions import stan as stan
from tests.stack import ROOT
from transcription.alerts.models import Receiver, Silence
from transcription.alerts.rules import RULES as OWN
from transcription.models import Sweeper

RULES = ROOT / "docker" / "prometheus" / "alerts.yml"
CASES = Path(__file__).with_name("alerts.yml")


def rules() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool is installed")
def test_each_alert_fires_and_stays_quiet_as_it_should() -> None:
    done = subprocess.run(["promtool", "test", "rules", CASES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_alert_is_tried_and_explained() -> None:
    named = {rule["alert"] for rule in rules()}
    assert named == set(re.findall(r'alertname="(\w+)"', CASES.read_text()))
    explained = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in named if f"| `{name}` |" not in explained] == []


def test_the_product_fires_by_the_same_names_bounds_and_durations() -> None:
    theirs = {rule["alert"]: rule for rule in rules()}
    assert set(OWN) == set(theirs)
    for name, rule in OWN.items():
        lasting = re.fullmatch(r"(\d+)([mh])", theirs[name].get("for", "0m"))
        assert lasting is not None
        assert rule.hold.total_seconds() == int(lasting[1]) * {"m": 60, "h": 3600}[lasting[2]], name
        assert rule.severity == theirs[name]["labels"]["severity"], name
        assert re.search(rf"{rule.bound}(?![\d.])", theirs[name]["expr"]), name


def test_a_web_process_counts_its_answers_as_the_rules_do() -> None:
    figures = Figures()
    before = figures()
    for route, method in (("/search/", "GET"), ("/recordings/", "POST"), ("/v1/audio/transcriptions", "POST")):
        request_metrics.seconds.labels(route, method).observe(2.0)
    for route, status in (("/search/", "500"), ("/search/", "404"), ("/health", "503")):
        request_metrics.requests.labels(route, "GET", status).inc()
    after = figures()
    times = {bound: after["answer_seconds"][bound] - before["answer_seconds"].get(bound, 0) for bound in ("1.0", "2.5")}
    assert times == {"1.0": 0, "2.5": 1}
    assert (after["answered"] - before["answered"], after["failed"] - before["failed"]) == (2, 1)


PAGE = "/admin/operations/alerts/"


@pytest.mark.django_db
class TestPage:
    def test_says_what_fires_on_every_page_of_the_admin(self, operator: Client) -> None:
        Sweeper.objects.all().delete()
        for page in (PAGE, "/admin/", "/admin/operations/", "/admin/tenants/tenant/"):
            assert (
                "No sweeper runs: webhooks, downloads by URL and repairs wait." in operator.get(page).content.decode()
            )

    def test_pauses_until_a_time_for_a_reason(self, operator: Client, olivia: User) -> None:
        sent = {"do": "pause", "which": "SweeperMissing", "hours": "4", "reason": "The machine moves."}
        page = operator.post(PAGE, sent, follow=True).content.decode()
        assert "The machine moves." in page
        assert "1 alert fires" not in page
        pause = Silence.objects.get()
        assert (pause.name, pause.operator) == ("SweeperMissing", olivia)
        operator.post(PAGE, {"do": "end_pause", "pause": pause.pk})
        assert "1 alert fires" in operator.get(PAGE).content.decode()
        for wrong in ({"which": "Nothing"}, {"hours": "9"}, {"reason": ""}):
            operator.post(PAGE, sent | wrong)
        assert Silence.objects.count() == 1

    def test_shows_a_webhooks_secret_once(self, operator: Client, settings: LazySettings) -> None:
        page = operator.post(PAGE, {"do": "add_webhook", "url": "https://192.0.2.1/"}, follow=True).content.decode()
        assert "This address is not on the public internet." in page
        page = operator.post(PAGE, {"do": "add_webhook", "url": "https://93.184.216.34/alerts"}).content.decode()
        assert re.search(r"<code>whsec_[\w+/=]{44}</code>", page)
        assert "whsec_" not in operator.get(PAGE).content.decode()
        operator.post(PAGE, {"do": "remove_webhook", "webhook": Receiver.objects.get().id})
        assert not Receiver.objects.exists()

    def test_who_may_only_look_gets_mails_and_changes_nothing_else(self, stan: User) -> None:
        assert client_of(stan).get(PAGE).status_code == 403
        client = client_of(allow(stan, "transcription", "view_operations"))
        assert client.get(PAGE).status_code == 200
        assert client.post(PAGE, {"do": "mail"}).status_code == 302
        assert Receiver.objects.get().user == stan
        for do in ("pause", "end_pause", "add_webhook", "test", "remove_webhook"):
            assert client.post(PAGE, {"do": do}).status_code == 403
