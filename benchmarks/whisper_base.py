"""Whisper base for the benchmarks of the torch backend."""

from __future__ import annotations

import os
from pathlib import Path

from whisper.model import Whisper

from benchmarks.speech import ROOT
from transcription.engine.torch_backend.loading import load_whisper
from transcription.engine.weights import ensure, print_progress


def base_model() -> Whisper:
    """In fp32 on the CPU; its weights are fetched the first time."""
    folder = Path(os.environ.get("WHISPER_WEIGHTS", ROOT / "var" / "models"))
    return load_whisper("base", ensure("base", "ctranslate2", folder, print_progress), "cpu")
