"""A real web process and a real client, killed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import resume
from benchmarks.resume_client import PIECE
from tests.stack import prepare

MIB = 1024 * 1024


@pytest.mark.slow
@pytest.mark.chaos
def test_a_file_arrives_whole_whoever_is_killed(tmp_path: Path) -> None:
    prepare(tmp_path / "data")
    found = resume.run(size=24 * MIB, kills=3, seed=7, folder=tmp_path, pace=16 * MIB)
    assert found.on_the_way >= 4
    assert found.identical
    assert found.recordings == 1
    assert found.left_over == 0
    assert 0 <= found.sent_twice <= 6 * PIECE
    assert found.memory_most - found.memory_before < 64 * MIB
