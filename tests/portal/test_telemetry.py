"""What Sentry is told of a failure."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from portal import telemetry
from tests.receiver import listening
from transcription import tracing
from transcription.tracing import Span

FAILING = """
import django, logging
django.setup()
import sentry_sdk
from django.test import Client
from transcription import request_id
said = "what Alice said"
whom = "alice@acme.example"
with request_id.bound("req_7"):
    try:
        at = " at https://bucket.example/a.mp3?X-Amz-Signature=feedfacefeedface"
        raise ValueError("no room for " + whom + at + "\\nDETAIL: " + said)
    except ValueError:
        logging.getLogger("portal").exception("It failed with sessionid=%s", "j1h2g3f4d5s6a7q8w9e0")
sentry_sdk.flush(10)
"""


def test_sentry_gets_the_place_and_the_request_id_and_nothing_secret(tmp_path: Path) -> None:
    with listening() as project:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PORTAL_DATA": str(tmp_path),
            "SENTRY_DSN": f"http://0123456789abcdef@127.0.0.1:{project.port}/7",
        }
        subprocess.run([sys.executable, "-c", FAILING], env=environment, check=True, capture_output=True, timeout=60)
        deadline = time.monotonic() + 10
        while not project.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        bodies = [sent.body for sent in project.requests]
    told = b"".join(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in bodies).decode()
    assert ("ValueError" in told, "no room for" in told, '"request_id":"req_7"' in told) == (True, True, True)
    assert [one for one in ("Alice", "acme.example", "feedface", "j1h2g3f4", "server_name") if one in told] == []


def test_a_variable_without_its_packages_is_refused_with_what_to_install() -> None:
    with pytest.raises(ImproperlyConfigured, match="requirements/telemetry"):
        telemetry.require("SENTRY_DSN", "no_such_package")


def test_a_collector_that_is_away_is_known_to_be_so_for_a_minute(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as port:
        nobody = f"http://127.0.0.1:{port.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nobody)
    settings.OTEL_EXPORTER_OTLP_ENDPOINT, settings.RUN_DIR = nobody, tmp_path
    tracing.send("req_7", Span("decode", 1.0, 2.0))
    assert not tracing.is_away()
    tracing.flush()
    assert tracing.is_away()
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert not tracing.is_away()


@pytest.mark.parametrize("request_id", ["req_" + "0" * 32, "req_0123456789abcdef0123456789abcdef", "chosen"])
def test_each_request_id_has_a_trace(request_id: str) -> None:
    assert 0 < tracing.trace_id(request_id) < 2**128
