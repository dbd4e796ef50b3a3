"""docker/prometheus: each alert fires and stays quiet as it should. That their metrics are there, test_up.py sees."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack import ROOT

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
