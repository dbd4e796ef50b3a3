"""What the command line takes: a value that cannot be meant is refused in one line, before anything is started."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

from transcription.engine.catalogue import find_model
from transcription.engine.languages import LANGUAGES
from transcription.engine.offered import Offered
from transcription.engine.types import EngineError

USAGE_EXIT = 2


class Parser(argparse.ArgumentParser):
    """Names what is wrong without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_EXIT, f"{self.prog}: {message} (--help shows what there is)\n")


def model(entry: str) -> Offered:
    """Parses a name of the catalogue, or NAME=SOURCE for an operator's own model. Raises ArgumentTypeError."""
    return _parsed(entry, must_be_known=True)


def models(entries: str) -> tuple[Offered, ...]:
    """Parses models with commas between them. The first is served always, the others if their weights are there."""
    first, *others = (entry.strip() for entry in entries.split(","))
    return model(first), *(_parsed(entry, must_be_known=False) for entry in others)


def _parsed(entry: str, must_be_known: bool) -> Offered:
    try:
        offered = Offered.parse(entry)
        if must_be_known and not offered.source:
            find_model(offered.name)
    except EngineError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return offered


def language(code: str) -> str:
    """Returns an ISO code that Whisper has a token for. Raises ArgumentTypeError for any other."""
    if code not in LANGUAGES:
        raise argparse.ArgumentTypeError(
            f"Whisper knows no language {code!r}; use a code such as en, de or zh, or leave it out to detect it"
        )
    return code


def media(name: str) -> Path:
    """Returns the path of a file that may be read. Raises ArgumentTypeError if there is none."""
    file = Path(name)
    if file.is_dir():
        raise argparse.ArgumentTypeError(f"{name} is a folder; name a media file in it")
    if not file.exists():
        raise argparse.ArgumentTypeError(f"there is no file {name}; check its name")
    if not os.access(file, os.R_OK):
        raise argparse.ArgumentTypeError(f"{name} may not be read; check whose it is")
    return file


def count(text: str) -> int:
    """Parses a whole number from 0 on. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def repeats(text: str) -> int:
    """Parses a whole number from 1 on. Raises ArgumentTypeError."""
    if (number := count(text)) == 0:
        raise argparse.ArgumentTypeError("nothing is measured in 0 rounds; name 1 or more")
    return number


def temperature(text: str) -> float:
    """Parses a number from 0 to 1. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def machine_arguments(options: argparse.Namespace) -> list[str]:
    """Returns the arguments that another process of the engine needs to run on the same machine in the same way."""
    names = ("weights", "backend", "remote-url", "device", "rung", "batch-size", "threads", "cross-attention")
    named = {f"--{name}": getattr(options, name.replace("-", "_")) for name in (*names, "memory-limit-mib")}
    mirrors = [part for url in options.mirror for part in ("--mirror", url)]
    return [*(str(part) for pair in named.items() for part in pair), *mirrors]
