"""What `benchmarks.engine` is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """threads: how many cores there are to use."""

    repeats: int = 3
    model: str = "base"
    threads: int = 1
