"""The processes of a running product: what each is, and what it takes of the machine."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.stack import Stack

KINDS = {
    "valkey": "Valkey",
    "live-relay": "live relay",
    "status-reporter": "status reporter",
    "worker-": "worker",
    "transcription.engine": "engine",
    "uvicorn": "web",
    "sweeper": "sweeper",
    "gpuworker": "gpuworker",
    "manage.py up": "supervisor",
}


def processes_of(stack: Stack) -> dict[str, psutil.Process]:
    """Returns the lasting processes by name, such as `web` and `worker 3`: jobs and what they start are left out."""
    found: dict[str, psutil.Process] = {}
    supervisor = psutil.Process(stack.process.pid)
    for process in [supervisor, *_offspring(supervisor)]:
        name = kind = _kind(process)
        number = 1
        while name in found:
            number += 1
            name = f"{kind} {number}"
        found[name] = process
    return found


def processor_seconds(process: psutil.Process) -> float:
    """Seconds of a core that a process has used, and its children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def own_mib(process: psutil.Process) -> float:
    """Memory that no other process shares (USS)."""
    return _rollup(process, "Private_Clean:", "Private_Dirty:")


def proportional_mib(process: psutil.Process) -> float:
    """Memory with what is shared divided among those that share it (PSS), so that processes can be added up."""
    return _rollup(process, "Pss:")


def _rollup(process: psutil.Process, *wanted: str) -> float:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(wanted)) / 1024


def _offspring(supervisor: psutil.Process) -> list[psutil.Process]:
    """Its children, and those of the gpuworkers; in the order in which they started."""
    children = supervisor.children()
    workers = [child for one in children if _kind(one) == "gpuworker" for child in one.children()]
    return sorted([*children, *workers], key=lambda process: (process.create_time(), process.pid))


def _kind(process: psutil.Process) -> str:
    line = " ".join([process.name(), *process.cmdline()])
    return next((kind for mark, kind in KINDS.items() if mark in line), line[:40])
