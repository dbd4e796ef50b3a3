"""How many cores the engine may run on."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from transcription.engine import machine


@pytest.mark.parametrize(
    ("siblings", "allowed", "quota", "expected"),
    [
        (["0", "1"], {0, 1}, "max 100000", 2),
        (["0,2", "1,3", "0,2", "1,3"], {0, 1, 2, 3}, "max 100000", 2),
        (["0,2", "1,3", "0,2", "1,3"], {0, 2}, "max 100000", 1),
        (["0,2", "1,3", "0,2", "1,3"], {0, 1, 2, 3}, "100000 100000", 1),
        (["0,2", "1,3", "0,2", "1,3"], {0, 1, 2, 3}, "20000 100000", 1),
        ([], {0, 1, 2}, "", 3),
    ],
    ids=["two cores", "two threads a core", "both threads of one core", "one core's time", "less", "nobody says"],
)
def test_threads_of_one_core_count_once_and_a_containers_share_is_the_limit(
    siblings: list[str], allowed: set[int], quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cpu, threads in enumerate(siblings):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{threads}\n")
    if quota:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr(machine, "CPUS", tmp_path)
    monkeypatch.setattr(machine, "GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed, raising=False)
    assert machine.cores() == expected


def test_a_system_without_affinities_has_its_physical_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cores() == psutil.cpu_count(logical=False)


def test_what_is_available_is_part_of_the_machine_s_memory() -> None:
    assert 0 < machine.available_mib() <= psutil.virtual_memory().total / machine.MIB
