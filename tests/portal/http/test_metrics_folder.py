"""The folder in which web processes count together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.http.metrics_folder import prepared


@pytest.fixture
def ended() -> int:
    """The id of a process that is no longer there."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def counts(folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        (folder / f"{name}.db").touch()


def test_what_all_that_ended_have_counted_is_forgotten(tmp_path: Path, ended: int) -> None:
    folder = tmp_path / "metrics"
    counts(folder, f"counter_{ended}", f"gauge_livesum_{ended}")
    assert prepared(folder) == str(folder)
    assert list(folder.iterdir()) == []


def test_beside_another_process_counters_stay_and_open_sockets_go(tmp_path: Path, ended: int) -> None:
    folder, alive = tmp_path / "metrics", os.getpid()
    counts(folder, f"counter_{ended}", f"gauge_livesum_{ended}", f"gauge_livesum_{alive}")
    prepared(folder)
    assert {file.stem for file in folder.iterdir()} == {f"counter_{ended}", f"gauge_livesum_{alive}"}
