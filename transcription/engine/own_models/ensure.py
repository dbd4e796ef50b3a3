"""A model that is offered, on this machine: one of the catalogue, or one of the operator's own."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.error import HTTPError

from transcription.engine import download, weights
from transcription.engine.model_folder import CONFIG, MODEL, ORIGIN, damage
from transcription.engine.offered import Offered
from transcription.engine.own_models import conversion, tokens
from transcription.engine.own_models.layout import Misfit
from transcription.engine.weights import Form, Progress, WeightsError

log = logging.getLogger(__name__)

_FETCHED = ".source-{}" + download.PART
"""The files of one repository, in the folder that the model is made in: kept until it is made."""


def ensure_offered(offered: Offered, form: Form, folder: Path, progress: Progress, mirrors: Sequence[str] = ()) -> Path:
    """Returns where the model's weights are, fetching or converting them if they are not there; see weights.ensure.

    An operator's own model is in CTranslate2's form, whatever form is asked for, and is made anew when its
    source is another one than before. Raises WeightsError.
    """
    if not offered.source:
        return weights.ensure(offered.name, form, folder, progress, mirrors)
    if offered.is_remote:
        raise WeightsError(f"{offered.name} is a remote server's model: set WHISPER_BACKEND=remote, or name files")
    place = weights.place_of(offered.name, "ctranslate2", folder)
    if _is_made(place, offered):
        return place
    with weights.disk_errors_explained(folder, offered.name), weights.locked(folder, offered.name):
        if not _is_made(place, offered):
            _make(offered, place, progress, mirrors)
    return place


def _make(offered: Offered, place: Path, progress: Progress, mirrors: Sequence[str]) -> None:
    refusals = []
    for base in ("",) if offered.path else (weights.HUGGING_FACE, *mirrors):
        source = _put_path if offered.path else partial(_put_repository, base)
        log.info("%s: taking %s", offered, base or offered.source)
        try:
            weights.fill_from(partial(source, offered), place, progress)
            return
        except Misfit as error:
            refusals.append(f"it {error}")
        except (download.DownloadError, WeightsError) as error:
            refusals.append(f"{base}: {error}")
    raise WeightsError(f"{offered.name} cannot be offered from {offered.source}: {'; '.join(refusals)}")


def _put_path(offered: Offered, place: Path, progress: Progress) -> None:
    assert offered.path is not None
    try:
        conversion.convert(offered.path, place, offered.name, weights.copy_file, progress)
    except PermissionError as error:
        raise Misfit(f"may not be read ({error.filename}): give the engine's user the right") from error
    (place / ORIGIN).write_text(_origin(offered))


def _put_repository(base: str, offered: Offered, place: Path, progress: Progress) -> None:
    fetched = place / _FETCHED.format(hashlib.sha256(offered.source.encode()).hexdigest()[:12])
    for other in set(place.glob(_FETCHED.format("*"))) - {fetched}:
        shutil.rmtree(other)
    fetched.mkdir(exist_ok=True)
    root = f"{base.rstrip('/')}/{offered.repository}/resolve/{offered.revision}"
    _fetch_files(root, fetched, progress)
    conversion.convert(fetched, place, offered.name, _move, progress)
    shutil.rmtree(fetched)
    (place / ORIGIN).write_text(_origin(offered))


def _fetch_files(root: str, fetched: Path, progress: Progress) -> None:
    """Fetches what a conversion reads: the small files first, which tell the form."""

    def fetch(name: str, *, needed: bool = True) -> bool:
        """Returns whether the file is there. Raises DownloadError."""
        if (fetched / name).is_file():
            return True
        try:
            download.fetch(f"{root}/{name}", fetched / name, progress)
        except download.DownloadError as error:
            if needed or not (isinstance(error.__cause__, HTTPError) and error.__cause__.code in (401, 403, 404)):
                raise
            return False
        return True

    if not fetch(CONFIG, needed=False):
        if not fetch(conversion.ADAPTER, needed=False):
            fetch(CONFIG)
        return
    fetch(conversion.GENERATION, needed=False)
    any(fetch(name, needed=False) for name in tokens.FILES)
    if fetch(conversion.INDEX, needed=False):
        for shard in conversion.shards_of(fetched / conversion.INDEX):
            fetch(shard)
    elif not fetch(conversion.WHOLE, needed=False):
        fetch(MODEL)


def _move(source: Path, target: Path, _progress: Callable[[int, int], None]) -> None:
    source.rename(target)


def _is_made(place: Path, offered: Offered) -> bool:
    """Returns whether the model is there, whole, and of this source as it is now."""
    if not place.is_dir():
        return False
    file = place / ORIGIN
    before = file.read_text() if file.is_file() else ""
    if offered.path and not offered.path.exists() and before.splitlines()[:1] == [offered.source]:
        log.warning("%s is not there: %s is served as it was taken from it", offered.source, offered.name)
    elif before != _origin(offered):
        return False
    if problem := damage(place):
        log.warning("%s is damaged (%s): making it again", place, problem)
    return not problem


def _origin(offered: Offered) -> str:
    """Returns what tells one source from another: a path's files with their sizes and times, or the repository."""
    path = offered.path
    if path is None:
        return offered.source
    files = [path] if path.is_file() else sorted(file for file in path.glob("*") if file.is_file())
    facts = ((file.name, file.stat()) for file in files)
    return "\n".join([offered.source, *(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in facts)])
