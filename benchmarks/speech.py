"""The speech that is measured: a folder of WAV or FLAC files with `refs.txt`, a line `NAME|TEXT` each.

`SPEECH` names the folder. Without it the clips of pytest-audioeval serve, three short ones in a language.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from transcription.media import find_ffmpeg

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Clip:
    path: Path
    text: str
    seconds: float


@dataclass(frozen=True)
class Sound:
    """Clips in a row: 16 kHz mono s16le, and what is said."""

    pcm: bytes
    text: str
    language: str = "en"

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 32_000


def clips(language: str = "en") -> list[Clip]:
    folder = Path(os.environ.get("SPEECH") or ROOT.parent / "shared" / ("speech" if language == "en" else language))
    found = _with_references(folder) if (folder / "refs.txt").exists() else _of_package(language)
    return [Clip(path, text, len(pcm(path)) / 32_000) for path, text in found]


def joined(parts: list[Clip], seconds: float) -> Sound:
    """The clips one after another with half a second between them, again and again, until `seconds` are full."""
    data = bytearray()
    texts: list[str] = []
    while len(data) < seconds * 32_000:
        part = parts[len(texts) % len(parts)]
        data += pcm(part.path) + bytes(16_000)
        texts.append(part.text)
    return Sound(bytes(data), " ".join(texts))


def long_recording(parts: list[Clip], seconds: float, target: Path) -> Clip:
    """`joined`, as a file."""
    sound = joined(parts, seconds)
    command = [
        find_ffmpeg(),
        "-v",
        "error",
        "-y",
        "-f",
        "s16le",
        "-ar",
        "16000",
        "-ac",
        "1",
        "-i",
        "pipe:0",
        str(target),
    ]
    subprocess.run(command, input=sound.pcm, check=True)
    return Clip(target, sound.text, sound.seconds)


def pcm(path: Path) -> bytes:
    """16 kHz mono s16le."""
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-f", "s16le", "-ar", "16000", "-ac", "1", "pipe:1"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _with_references(folder: Path) -> list[tuple[Path, str]]:
    lines = [line.split("|", 1) for line in (folder / "refs.txt").read_text().splitlines() if "|" in line]
    return [(next(folder.glob(f"{name}.*")), text) for name, text in lines]


def _of_package(language: str) -> list[tuple[Path, str]]:
    package = importlib.util.find_spec("pytest_audioeval")
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "samples" / "audio" / language
    return [(path, path.with_suffix(".txt").read_text()) for path in sorted(folder.glob("*.wav"))]
