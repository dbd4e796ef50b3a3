"""The folder in which the web processes of a host count together, so that whichever is asked answers for all."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from pathlib import Path

import psutil

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder to prometheus_client, which reads it when it is imported."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has to be ours


def prepared(run_dir: Path) -> str:
    """Makes the folder of an installation for a process that begins to count there, and returns its path.

    It is in memory where the system has a place for that: prometheus_client maps its files, and whoever touches a page
    for which a full disk has no room is killed. What was counted before is forgotten when no process is left that
    counts there: Prometheus knows counters that begin again. Of processes that ended beside others only what is open
    now is forgotten.
    """
    folder = (_in_memory(run_dir) or run_dir / "metrics") / socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    processes = {file: int(file.stem.rpartition("_")[2]) for file in folder.glob("*.db")}
    ended = {file for file, process in processes.items() if not psutil.pid_exists(process)}
    for file in ended:
        if len(ended) == len(processes) or file.name.startswith("gauge_live"):
            file.unlink(missing_ok=True)
    return str(folder)


def _in_memory(run_dir: Path) -> Path | None:
    """Returns a folder of this account's alone, for one installation; None where there can be none."""
    folder = SHARED_MEMORY / f"whisper-portal-{hashlib.sha256(str(run_dir).encode()).hexdigest()[:12]}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    return folder if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() else None
