"""Log lines as JSON: an object for each event, without secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.stack import ROOT

CODE = """
import django, logging
django.setup()
log = logging.getLogger("portal.tried")
log.info("Café %s\\nwith a second line", "wp_abcdefgh_" + 24 * "s")
try:
    raise ValueError("at postgres://portal:hunter2hunter2@db/portal")
except ValueError:
    log.exception("It failed")
"""


def logged(data: Path, **environment: str) -> tuple[int, str]:
    given = os.environ | {"PORTAL_DATA": str(data), "DJANGO_SETTINGS_MODULE": "portal.settings"} | environment
    ended = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=60
    )
    return ended.returncode, ended.stderr


def test_each_event_is_one_object_and_hides_secrets(tmp_path: Path) -> None:
    _code, said = logged(tmp_path, LOG_FORMAT="json", SECRET_KEY=50 * "k")
    told: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines()]
    first, second = (one for one in told if one["logger"] == "portal.tried")
    assert (first["level"], first["request_id"]) == ("info", "-")
    assert first["message"] == "Café wp_abcdefgh_[hidden]\nwith a second line"
    assert second["level"] == "error"
    assert "ValueError" in second["exception"]
    assert "hunter2" not in said


def test_another_word_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    code, said = logged(tmp_path, LOG_FORMAT="xml")
    assert code
    assert "LOG_FORMAT must be one of text, json, not 'xml'." in said
