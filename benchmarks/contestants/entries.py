"""Who takes part in `benchmarks.engine speed`, and where its files are.

`make contestants` installs others' systems into an environment of their own and converts the weights for them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "contestants"
COMMAND = "make contestants"


@dataclass(frozen=True)
class Entry:
    """title: its row's. system: its name in `serve`. files: the weights. python: of its environment."""

    title: str
    system: str
    files: Path
    python: Path

    def missing(self) -> str:
        """Why it can't take part; empty if it can."""
        if not self.python.exists():
            return "not installed"
        return "" if self.files.exists() else f"{self.files.name} is not there"

    @property
    def is_ours(self) -> bool:
        return self.system.startswith("ours-")


def weights_folder() -> Path:
    return Path(os.environ.get("WHISPER_WEIGHTS", ROOT / "var" / "models"))


def model_folder(model: str) -> Path:
    """CTranslate2's form of a model, which everybody's files are made of."""
    return weights_folder() / "ctranslate2" / model


def openvino_folder(model: str) -> Path:
    return FOLDER / "models" / f"{model}-openvino-int8"


def ggml_file(model: str) -> Path:
    return FOLDER / "models" / f"ggml-{model}-q8_0.bin"


def entries(model: str) -> list[Entry]:
    """In the order of their turns."""
    mine, theirs = Path(sys.executable), FOLDER / "venv" / "bin" / "python"
    folder = model_folder(model)
    return [
        Entry("ours, fast", "ours-fast", folder, mine),
        Entry("OpenVINO GenAI int8", "openvino-genai", openvino_folder(model), theirs),
        Entry("ours, exact", "ours-exact", folder, mine),
        Entry("faster-whisper int8, batched", "faster-whisper-batched", folder, theirs),
        Entry("ours, fast, on CTranslate2", "ours-fast-bare", folder, mine),
        Entry("faster-whisper int8", "faster-whisper", folder, theirs),
        Entry("ours, exact, on CTranslate2", "ours-exact-bare", folder, mine),
        Entry("whisper.cpp q8_0", "whisper.cpp", ggml_file(model), theirs),
        Entry("openai-whisper fp32", "openai-whisper", folder, theirs),
    ]
