"""The folder in which web processes count together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portal.http import metrics_folder
from portal.http.metrics_folder import prepared


@pytest.fixture
def ended() -> int:
    """The id of a process that is no longer there."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where processes of an installation in `tmp_path` count, on a system without shared memory."""
    monkeypatch.setattr(metrics_folder, "SHARED_MEMORY", tmp_path / "nowhere")
    return Path(prepared(tmp_path))


def counts(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.db").touch()


def test_what_all_that_ended_have_counted_is_forgotten(tmp_path: Path, folder: Path, ended: int) -> None:
    counts(folder, f"counter_{ended}", f"gauge_livesum_{ended}")
    assert prepared(tmp_path) == str(folder)
    assert list(folder.iterdir()) == []


def test_beside_another_process_counters_stay_and_open_sockets_go(tmp_path: Path, folder: Path, ended: int) -> None:
    alive = os.getpid()
    counts(folder, f"counter_{ended}", f"gauge_livesum_{ended}", f"gauge_livesum_{alive}")
    prepared(tmp_path)
    assert {file.stem for file in folder.iterdir()} == {f"counter_{ended}", f"gauge_livesum_{alive}"}


def test_it_is_in_memory_and_never_what_another_made_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, elsewhere = tmp_path / "memory", tmp_path / "elsewhere"
    memory.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr(metrics_folder, "SHARED_MEMORY", memory)
    place = Path(prepared(tmp_path)).parent
    assert place.parent == memory
    assert place.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(place)
    place.symlink_to(elsewhere)
    assert Path(prepared(tmp_path)).parent == tmp_path / "metrics"
    assert list(elsewhere.iterdir()) == []
