from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env

ROOT = Path(__file__).resolve().parents[2]
NO_DJANGO = {"engine", "diarization"}


def test_every_variable_is_documented() -> None:
    documented = (ROOT / "docs" / "configuration.md").read_text()
    missing = [name for name in env.VARIABLES if f"`{name}`" not in documented]
    assert not missing


def test_a_number_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "many")
    with pytest.raises(ImproperlyConfigured, match="WORKERS must be a whole number"):
        env.integer("WORKERS", 4, "")


def test_only_env_reads_the_environment() -> None:
    rooms = [ROOT / name for name in ("portal", "tenants", "transcription")]
    readers = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in room.rglob("*.py")
        if "os.environ" in path.read_text() and not NO_DJANGO & set(path.relative_to(ROOT).parts)
    ]
    assert sorted(readers) == ["portal/asgi.py", "portal/env.py"]
