"""Figures with the machine that made them."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("ctranslate2", "faster-whisper", "django", "rq", "uvicorn")


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), "CPU")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    today = datetime.now(UTC).date()
    return f"{today}, {os.cpu_count()} cores of {model}, Python {platform.python_version()}, {packages}"


def print_table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def spread(values: list[float], unit: str = "s", digits: int = 3) -> str:
    """Median, then the smallest and largest."""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return f"{middle:.{digits}f} {unit} ({ordered[0]:.{digits}f}–{ordered[-1]:.{digits}f})"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
