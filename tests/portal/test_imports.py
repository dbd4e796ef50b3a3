"""Who may import what: the house stays as it is drawn."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "ctranslate2", "faster_whisper", "whisper")


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def importers(room: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / room).rglob("*.py")
        for name in imported_names(path)
        if name.split(".")[0] in forbidden
    ]


def test_tenants_know_nothing_of_transcription() -> None:
    assert importers("tenants", "transcription", "portal") == []


def test_transcription_knows_nothing_of_the_portal_or_rest() -> None:
    assert importers("transcription", "portal", "rest_framework") == []


def test_the_engine_knows_nothing_of_django() -> None:
    assert importers("transcription/engine", "django", "tenants", "portal", "channels", "rq") == []


@pytest.mark.parametrize("module", ["portal.asgi", "transcription.worker.job"])
def test_no_model_library_is_loaded_where_it_does_not_belong(module: str) -> None:
    code = f"import django; django.setup(); import {module}, sys; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stdout.strip() == "[]", result.stderr
