"""schemathesis asks the running service whatever its schema allows, and what it doesn't.

No answer is a 5xx, and each is one that the schema tells.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES, SEED, SECONDS = "10", "1", 600


@pytest.fixture
def allowed(stack: Stack) -> None:
    """The stack's key may ask for anything, as often as it wants."""
    with sqlite3.connect(stack.data / "portal.sqlite3", timeout=20) as database:
        database.execute("UPDATE tenants_quota SET requests_per_minute = 1000000")
        database.execute("UPDATE tenants_apikey SET scope = 'admin'")


def test_the_service_answers_as_its_schema_says(stack: Stack, allowed: None) -> None:
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "run", f"{stack.url}/api/openapi.json", "--header", f"Authorization: {stack.bearer['Authorization']}",
        "--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", SEED, "--phases", "examples,fuzzing",
        # Whose body it can't write: application/offset+octet-stream.
        "--exclude-operation-id", "appendUpload",
        "--generation-deterministic", "--no-color", "--request-timeout", "60", "--continue-on-failure",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=stack.data)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
