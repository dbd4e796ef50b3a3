"""Whisper base for the benchmarks."""

from __future__ import annotations

import os
from pathlib import Path

from whisper.model import Whisper

from benchmarks.speech import ROOT
from transcription.engine.torch_backend.loading import load_whisper
from transcription.engine.weights import ensure, print_progress


def base_folder() -> Path:
    """Where its weights are, in CTranslate2's form; they are fetched the first time."""
    folder = Path(os.environ.get("WHISPER_WEIGHTS", ROOT / "var" / "models"))
    return ensure("base", "ctranslate2", folder, print_progress)


def base_model() -> Whisper:
    """openai-whisper's, in fp32 on the CPU."""
    return whisper_model("base")


def whisper_model(name: str) -> Whisper:
    return load_whisper(name, base_folder().with_name(name))
