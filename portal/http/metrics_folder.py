"""The folder in which the web processes of a host count together, so that whichever is asked answers for all."""

from __future__ import annotations

from pathlib import Path

import psutil

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder to prometheus_client, which reads it when it is imported."""


def prepared(folder: Path) -> str:
    """Makes the folder for a process that begins to count there, and returns its path.

    What was counted before is forgotten when no process is left that counts there: Prometheus knows counters that
    begin again. Of processes that ended beside others only what is open now is forgotten.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    processes = {file: int(file.stem.rpartition("_")[2]) for file in folder.glob("*.db")}
    ended = {file for file, process in processes.items() if not psutil.pid_exists(process)}
    for file in ended:
        if len(ended) == len(processes) or file.name.startswith("gauge_live"):
            file.unlink(missing_ok=True)
    return str(folder)
