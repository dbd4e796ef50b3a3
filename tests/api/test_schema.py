"""schemathesis asks the running service whatever its schema allows, and what it doesn't.

No answer is a 5xx, and each is one that the schema tells.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.stack import Stack

pytestmark = pytest.mark.slow
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 12
IDS = ("recording_id", "transcription_id")


@pytest.fixture(scope="module")
def known(stack: Stack, fox: bytes) -> dict[str, str]:
    """Ids of what is there, so that not every answer is 404."""
    found = httpx.post(
        f"{stack.url}/api/v1/recordings", headers=stack.bearer, files={"file": ("fox.wav", fox)}, timeout=60
    ).json()
    return {"recording_id": found["id"], "transcription_id": found["transcription"]["id"]}


@pytest.fixture(scope="module")
def allowed(stack: Stack) -> None:
    """The stack's key may ask for anything, as often as it wants."""
    with sqlite3.connect(stack.data / "portal.sqlite3", timeout=20) as database:
        database.execute("UPDATE tenants_quota SET requests_per_minute = 1000000")
        database.execute("UPDATE tenants_apikey SET scope = 'admin'")


@pytest.fixture
def api_schema(stack: Stack, allowed: None) -> Any:
    return schemathesis.openapi.from_url(f"{stack.url}/api/openapi.json")


schema = schemathesis.pytest.from_fixture("api_schema")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_answers_as_its_schema_says(case: Any, stack: Stack, known: dict[str, str]) -> None:
    """Every second time about a recording that is there; deletions never."""
    if case.method != "DELETE" and sum(map(ord, str(case.query))) % 2 == 0:
        case.path_parameters |= {name: known[name] for name in IDS if name in (case.path_parameters or {})}
    case.call_and_validate(headers=stack.bearer, checks=CHECKS, timeout=60)
