"""An engine whose models another server runs: how it is started."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from transcription.worker import gpu_worker

KEY = "a-key-of-the-server"


@pytest.fixture(autouse=True)
def remote(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WHISPER_BACKEND = "remote"
    settings.REMOTE_ENGINE_URL = "http://10.0.0.5:8000/v1"
    settings.REMOTE_ENGINE_KEY = KEY
    monkeypatch.setenv("REMOTE_ENGINE_KEY", KEY)
    monkeypatch.setenv("METRICS_TOKEN", "another-secret")


def test_the_engine_has_the_servers_key_and_no_other_secret(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(gpu_worker, "exec_command", lambda command, environment: given.append((command, environment)))
    gpu_worker.exec_engine()
    settings.WHISPER_BACKEND = "ctranslate2"
    gpu_worker.exec_engine()
    (command, environment), (_command, local) = given
    assert command[command.index("--remote-url") + 1] == "http://10.0.0.5:8000/v1"
    assert KEY not in " ".join(command)
    assert environment["REMOTE_ENGINE_KEY"] == KEY
    assert not {"METRICS_TOKEN", "REMOTE_ENGINE_KEY"} & local.keys()
    assert "METRICS_TOKEN" not in environment
