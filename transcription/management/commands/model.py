"""Lists, fetches, verifies and removes the models' weights on this machine."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcription.diarization import weights as speakers
from transcription.diarization.types import DiarizationError
from transcription.engine.catalogue import CATALOGUE, Model, find_model
from transcription.engine.offered import Offered
from transcription.engine.own_models.ensure import ensure_offered
from transcription.engine.types import EngineError
from transcription.engine.weights import (
    FORMS,
    Form,
    StoredModel,
    install,
    own_models,
    place_of,
    remove,
    stored,
    verify,
)
from transcription.options import offered_models

MEGABYTE = 1_000_000
HEADER = ("NAME", "TITLE", "PARAMETERS", "DOWNLOAD", *(form.upper() for form in FORMS), "OFFERED")
FETCH_COMMAND = "manage.py model fetch {} --form {}"


class Progress:
    """Prints a file's percent and MB/s: on one line of a terminal, or a line for every tenth."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._name, self._started_at, self._first_bytes, self._tenth = "", 0.0, 0, -1

    def __call__(self, name: str, done: int, total: int) -> None:
        """Prints that `done` bytes of `total` are on the disk. `total` is 0 where the size is unknown."""
        if name != self._name:
            self._name, self._started_at, self._first_bytes, self._tenth = name, time.monotonic(), done, -1
        seconds = max(time.monotonic() - self._started_at, 1e-3)
        rate = (done - self._first_bytes) / MEGABYTE / seconds
        tenth = 10 * done // total if total else 10 * done // (1000 * MEGABYTE)
        percent = f"{100 * done // total:3d} %" if total else "    ?"
        line = f"{name}: {percent}, {done / MEGABYTE:.1f} of {total / MEGABYTE:.1f} MB, {rate:.1f} MB/s"
        if self._is_terminal:
            print(f"\r{line:<72}", end="\n" if done == total else "", file=self._stream, flush=True)
        elif tenth != self._tenth:
            print(line, file=self._stream, flush=True)
        self._tenth = tenth


class Command(BaseCommand):
    help = "Lists, fetches, verifies and removes the weights of models."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        self._add(actions, "list", self._list, "list all models, what is on the disk, and what is offered")
        fetch = self._add(actions, "fetch", self._fetch, "download and verify models; resumes an interrupted download")
        fetch.add_argument("names", nargs="*", metavar="NAME", help="default: the models offered here")
        fetch.add_argument(
            "--mirror", action="append", default=[], metavar="URL", help="a server laid out like huggingface.co"
        )
        fetch.add_argument(
            "--from", dest="given", type=Path, metavar="PATH", help="copy your own .pt file or CTranslate2 folder"
        )
        check = self._add(actions, "verify", self._verify, "hash every file; the exit code is 1 if one is damaged")
        check.add_argument("names", nargs="*", metavar="NAME", help="default: all that are on the disk")
        delete = self._add(actions, "remove", self._remove, "delete a model from the disk")
        delete.add_argument("name", metavar="NAME")
        delete.add_argument("--yes", action="store_true", help="do not ask")
        delete.add_argument("--force", action="store_true", help="delete even the last form of a model that is offered")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            options["run"](options)
        except (EngineError, DiarizationError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Fetch again to resume.", returncode=130) from None

    def _add(
        self, actions: Any, name: str, run: Callable[[dict[str, Any]], None], help: str
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=help, description=help)
        parser.set_defaults(run=run)
        parser.add_argument("--weights", type=Path, default=settings.WHISPER_WEIGHTS, metavar="DIR")
        if name != "list":
            parser.add_argument("--form", choices=FORMS, help=f"by default {_default_of(name)}")
        return parser

    def _list(self, options: dict[str, Any]) -> None:
        folder = options["weights"]
        rows = [HEADER, *(_row(model, folder) for model in CATALOGUE.values())]
        rows += [_own_row(name, folder) for name in _own_names(folder)]
        there = "whole" if speakers.is_there(folder) else "-"
        rows.append((speakers.NAME, speakers.TITLE, "9 M", f"{speakers.MEGABYTES} MB", *(there for _ in FORMS), ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write(line.rstrip())
        self.stdout.write(
            f"\nWeights are kept in {options['weights']}; this machine reads the form {offered_models.weights_form()}."
        )

    def _fetch(self, options: dict[str, Any]) -> None:
        offered = {model.name: model for model in offered_models.offered()}
        names = options["names"] or offered
        given = options["given"]
        if speakers.NAME in names:
            place = speakers.ensure(options["weights"], Progress(sys.stderr), given)
            self.stdout.write(f"{speakers.NAME}: {place}")
            names = [name for name in names if name != speakers.NAME]
            if not names:
                return
        if given is not None:
            self._install(list(names), given, options)
            return
        logging.getLogger("transcription.engine.weights").setLevel(logging.INFO)
        mirrors = (*getattr(settings, "WHISPER_MIRRORS", ()), *options["mirror"])
        form = options["form"] or offered_models.weights_form()
        for name in names:
            model = offered.get(name) or Offered(find_model(name).name)
            path = ensure_offered(model, form, options["weights"], Progress(sys.stderr), mirrors)
            self.stdout.write(f"{name}: {path}")

    def _install(self, names: Sequence[str], given: Path, options: dict[str, Any]) -> None:
        if len(names) != 1:
            raise CommandError("--from takes the name of one model.", returncode=2)
        path = install(names[0], options["weights"], given, Progress(sys.stderr))
        self.stdout.write(f"{names[0]}: {path}")

    def _verify(self, options: dict[str, Any]) -> None:
        named, folder = options["names"], options["weights"]
        models = [name for name in named if name != speakers.NAME]
        damaged = 0
        if speakers.NAME in named or (not named and speakers.is_there(folder)):
            damaged += self._verify_speakers(folder)
        for name, form, found in _on_disk(options | {"names": models}) if models or not named else ():
            result = verify(name, form, options["weights"]) if found.state != "partial" else None
            if result is None:
                self.stdout.write(f"{name} ({form}): incomplete; resume with {FETCH_COMMAND.format(name, form)}")
            elif result.whole:
                self.stdout.write(f"{name} ({form}): OK{', ' if result.reason else ''}{result.reason}")
            else:
                damaged += 1
                command = FETCH_COMMAND.format(name, form)
                self.stdout.write(f"{name} ({form}): damaged: {result.reason}; repair it with {command}")
        if damaged:
            raise CommandError(f"{damaged} damaged.")

    def _verify_speakers(self, folder: Path) -> int:
        """Verifies what tells speakers apart; returns 1 if it is damaged."""
        try:
            speakers.found(folder)
        except DiarizationError as error:
            self.stdout.write(f"{speakers.NAME}: {error}")
            return 1
        self.stdout.write(f"{speakers.NAME}: OK")
        return 0

    def _remove(self, options: dict[str, Any]) -> None:
        folder = options["weights"]
        if options["name"] == speakers.NAME:
            if not options["yes"] and not _agreed(f"Remove {speakers.TITLE}?"):
                raise CommandError("Nothing was removed.")
            self.stdout.write(f"{speakers.NAME}: {_megabytes(speakers.remove(folder))} freed")
            return
        name = _known(options["name"], folder)
        found = _on_disk(options | {"names": [name]})
        removed = {form for _, form, _ in found}
        kept = [form for form in FORMS if form not in removed and stored(name, form, folder)]
        if name in offered_models.offered_models() and not kept and not options["force"]:
            raise CommandError(
                f"{name} is offered here, and no other form of it is on the disk. --force removes it nevertheless."
            )
        total = sum(weights.bytes for _, _, weights in found)
        if not options["yes"] and not _agreed(f"Remove {name} ({', '.join(sorted(removed))}, {_megabytes(total)})?"):
            raise CommandError("Nothing was removed.")
        freed = sum(remove(name, form, folder) for form in sorted(removed))
        self.stdout.write(f"{name}: {_megabytes(freed)} freed")


def _default_of(action: str) -> str:
    return "the form this machine reads" if action == "fetch" else "every form on the disk"


def _row(model: Model, folder: Path) -> tuple[str, ...]:
    offered = offered_models.offered_models()
    return (
        model.name,
        model.title,
        f"{model.parameters // 1_000_000} M",
        f"{model.megabytes} MB",
        *(_cell(stored(model.name, form, folder)) for form in FORMS),
        "default" if model.name == offered[0] else "yes" if model.name in offered else "",
    )


def _own_names(folder: Path) -> list[str]:
    """Returns the names of the operator's own models, offered or on the disk."""
    offered = (model.name for model in offered_models.offered() if model.source)
    return list(dict.fromkeys([*offered, *own_models(folder)]))


def _known(name: str, folder: Path) -> str:
    """Raises EngineError for a name that no model has."""
    return name if name in _own_names(folder) else find_model(name).name


def _own_row(name: str, folder: Path) -> tuple[str, ...]:
    offered = {model.name: model for model in offered_models.offered()}
    default = offered_models.default_model()
    source = offered[name].source if name in offered else "no longer offered"
    cells = (_cell(stored(name, form, folder)) for form in FORMS)
    return (name, source, "", "", *cells, "default" if name == default else "yes" if name in offered else "")


def _cell(found: StoredModel | None) -> str:
    if found is None:
        return "-"
    return _megabytes(found.bytes) if found.state == "whole" else f"{found.state}, {_megabytes(found.bytes)}"


def _on_disk(options: dict[str, Any]) -> list[tuple[str, Form, StoredModel]]:
    """Returns the named models, or all, in the forms on the disk. Raises CommandError where a named one is missing."""
    folder, only = options["weights"], options["form"]
    forms: Sequence[Form] = [only] if only else FORMS
    on_disk = []
    for name in options["names"] or (*CATALOGUE, *_own_names(folder)):
        own = _known(name, folder)
        found = [(own, form, it) for form in forms if (it := stored(own, form, folder)) is not None]
        if options["names"] and not found:
            places = " or ".join(str(place_of(own, form, folder)) for form in forms)
            raise CommandError(f"{name} is not on the disk: there is no {places}.")
        on_disk += found
    return on_disk


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise CommandError("There is no terminal to ask for confirmation: use --yes.") from None


def _megabytes(size: int) -> str:
    return f"{round(size / MEGABYTE)} MB"
