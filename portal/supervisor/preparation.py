"""Prepares an installation before its processes start. Each step does, and prints, nothing where it is done already."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from portal import env
from portal.supervisor.console import say
from portal.upgrade import installed
from transcription.options import offered_models
from transcription.worker.process_supervisor import exec_command, run_once


class PreparationFailed(Exception):
    """A step could not be done, for the reason given."""


def prepare_database() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("Preparing the database …")
    elif installed.is_current():
        return
    call_command("migrate", interactive=False, verbosity=0)


def collect_static_files() -> None:
    """Collects them again only when one of the sources has changed."""
    stamp = Stamp("static")
    fingerprint = hashlib.sha256("\n".join(_static_sources()).encode()).hexdigest()
    if stamp.says(fingerprint) and settings.STATIC_ROOT.is_dir():
        return
    say("Collecting static files …")
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write(fingerprint)


def fetch_weights() -> None:
    """Downloads missing weights here rather than in the engine, so that a person sees the progress.

    Raises PreparationFailed for the default model. Without one of the others, the rest is served.
    """
    if settings.WHISPER_BACKEND == "remote":
        return
    for offered in offered_models.offered():
        form, model = offered_models.weights_form(), offered.name
        stamp = Stamp(f"weights-{form}-{model}")
        place = str(settings.WHISPER_WEIGHTS)
        done = f"{place} {offered.source}".strip()
        if stamp.says(done) and settings.WHISPER_WEIGHTS.is_dir():
            continue
        say(f"Fetching the weights of {offered.source or f'Whisper {model}'} …")
        fetch_command = [sys.executable, "-m", "transcription.engine", "fetch", str(offered)]
        command = [*fetch_command, "--form", form, "--weights", place]
        mirrors = [part for url in settings.WHISPER_MIRRORS for part in ("--mirror", url)]
        fetch = partial(exec_command, [*command, *mirrors], env.environment_without_secrets())
        if run_once("fetch", fetch):
            stamp.write(done)
            continue
        problem = f"The weights of Whisper {model} could not be fetched. Try again, or put them in {place}."
        if model == offered_models.default_model():
            raise PreparationFailed(problem)
        say(problem)


class Stamp:
    """A file that remembers for which input a step was last done."""

    def __init__(self, step: str) -> None:
        self._file: Path = settings.DATA / "stamps" / step

    def says(self, text: str) -> bool:
        return self._file.is_file() and self._file.read_text() == text

    def write(self, text: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(text)


def _static_sources() -> Iterator[str]:
    for finder in get_finders():
        for name, storage in finder.list([]):
            facts = Path(storage.path(name)).stat()
            yield f"{name} {facts.st_size} {facts.st_mtime_ns}"
