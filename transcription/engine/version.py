"""The version of what decodes: windows with equal samples, options and version have equal text."""

from __future__ import annotations

from pathlib import Path

from transcription.engine.backend import Backend
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.weights import digest

REVISION = 6
"""The revision of our own code: increase it when windows, fallback, segments or tokens change."""

DIGITS = 12


def version_of(model: str, weights: Path, backend: Backend) -> str:
    """Returns the version that results carry, such as "base d01c3014881c ctranslate2 4.6.0 int8 cpu r1"."""
    # A smaller model's folder may stand in for it, and is called as that one.
    decoded_by = weights.name if model in CATALOGUE and weights.name in CATALOGUE else model
    library = f"{backend.name} {backend.library_version}"
    return f"{decoded_by} {digest(weights)[:DIGITS]} {library} {backend.compute_type} {backend.device} r{REVISION}"
