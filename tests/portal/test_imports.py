"""What the import contracts of pyproject.toml can't say: which libraries a process has loaded in the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "ctranslate2", "faster_whisper", "whisper")


@pytest.mark.parametrize("module", ["portal.asgi", "transcription.worker.job"])
def test_no_model_library_is_loaded_where_it_does_not_belong(module: str) -> None:
    code = f"import django; django.setup(); import {module}, sys; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stdout.strip() == "[]", result.stderr
