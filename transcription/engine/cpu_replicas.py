"""How a model shares a CPU: several calls at once, and beside them a second replica for urgent work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from transcription.engine import machine
from transcription.engine.backend import OutOfDeviceMemory
from transcription.engine.model_folder import MODEL

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WORKERS = 4
"""Calls at once, which share the cores: a second thread costs encoding a tenth and helps decoding little."""

NICENESS = 10
"""The niceness of ordinary threads beside those for urgent work: in competition they get a tenth of a core's time."""

URGENT_SHARE = 4
"""How many times the weights must fit into the free memory for a second replica to be loaded."""

ENCODINGS_MIB = 120.0
"""The encodings that are kept for tails, with large-v3; base's take 50 MiB."""


def second_replica(name: str, folder: Path, load: Callable[[], T]) -> T | None:
    """Loads a model's replica for urgent work; returns None if memory is short."""
    if not has_room(folder):
        return None
    try:
        return load()
    except OutOfDeviceMemory:
        log.warning("%s: no memory for a second replica, so short clips wait for the windows under way", name)
        return None


def has_room(folder: Path) -> bool:
    """Returns whether a second replica of a folder's model may be loaded."""
    return weights_mib(folder) * URGENT_SHARE < machine.available_mib()


def weights_mib(path: Path) -> float:
    """Returns the size of a model's file, or of the weights in its folder, in MiB; 0 if there is none."""
    file = path / MODEL if path.is_dir() else path
    return file.stat().st_size / machine.MIB if file.is_file() else 0.0
