"""Which rung this machine's engine is to run on, and the ladder that knows."""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import transcription.engine
from transcription.engine.arguments import machine_arguments
from transcription.engine.gpu_check.card import (
    Card,
    find_card,
    lacks_kernels,
    require_driver,
    require_working_driver,
    torch_sees_gpu,
    torchs_card,
    wait_until_ready,
)
from transcription.engine.gpu_check.ladder import PASSING, Facts, Ladder
from transcription.engine.gpu_check.rungs import RUNGS, Rung, rung_of
from transcription.engine.gpu_check.trial import Verdict, try_rung
from transcription.engine.model_folder import MODEL
from transcription.engine.offered import Offered
from transcription.engine.own_models.ensure import ensure_offered
from transcription.engine.types import EngineError
from transcription.engine.weights import place_of, print_progress

DIGITS = 12
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
"""Signals by which libraries and the driver end a process."""


@dataclass(frozen=True)
class Footing:
    """What an engine runs on. rung: None where there is no GPU to choose for. notice: what is amiss with it.

    on_lost: called with a reason when the device is lost.
    """

    rung: Rung | None = None
    notice: str = ""
    on_lost: Callable[[str], None] = lambda reason: None


def footing_of(options: argparse.Namespace, models: Sequence[Offered]) -> Footing:
    """Returns the rung to run on, tried where it has to be, for the machine's options and the models offered.

    A pinned rung is not tried. Raises EngineError where the driver is too old for torch, or no rung may be used.
    """
    if options.backend not in ("auto", "torch") or options.device == "cpu":
        return Footing()
    if options.rung != "auto":
        rung = rung_of(options.rung)
        on_cpu = "WHISPER_RUNG=cpu: large models are replaced by smaller ones on the CPU"
        return Footing(rung, on_cpu if rung.device == "cpu" else "")
    ladder = ladder_for(options, models)
    if ladder is None:
        return Footing()
    chosen = ladder.choose()
    if -options.last_exit in CRASHES:
        ladder.note_loss(chosen.rung, f"the engine was ended by {signal.Signals(-options.last_exit).name}")
        chosen = ladder.choose()
    return Footing(chosen.rung, chosen.notice, lambda reason: ladder.note_loss(chosen.rung, reason))


def ladder_for(options: argparse.Namespace, models: Sequence[Offered]) -> Ladder | None:
    """Returns the ladder of this machine's GPU; None where there is none. With the device cpu its file is None.

    Raises EngineError where the driver is too old for torch, or has to be loaded again.
    """
    if options.device == "cpu":
        return Ladder(None, lambda rung: {}, lambda rung: _attempt(rung, options, models, sees=True), RUNGS)
    card = find_card()
    if card is not None:
        wait_until_ready()
    sees = torch_sees_gpu()
    if card is None and not sees:
        require_working_driver()
        return None
    if card is not None and not sees:
        require_driver(card)
    card = card or torchs_card()
    rungs = [rung for rung in RUNGS if options.backend in ("auto", rung.backend)]
    place = f"gpu-check-{hashlib.sha256(card.uuid.encode()).hexdigest()[:DIGITS]}.json"
    return Ladder(
        options.weights / place,
        lambda rung: _facts(rung, card, options, models),
        lambda rung: _attempt(rung, options, models, sees, card),
        rungs,
    )


def _attempt(
    rung: Rung, options: argparse.Namespace, models: Sequence[Offered], sees: bool, card: Card | None = None
) -> Verdict:
    """Tries a rung with each model. Only the first has to be there and to fit: others are refused by themselves."""
    if rung.needs_torch and not sees:
        reason = "torch is not installed: install requirements/torch.txt"
        if installed := _version("torch"):
            seen = f"torch {installed} does not see the GPU"
            reason = f"{seen}: install requirements/torch.txt, or, where that is done, look for /dev/nvidia-uvm"
        return Verdict(rung.name, False, reason, "missing")
    if rung.needs_torch and card is not None and lacks_kernels(card):
        reason = f"torch {_version('torch')} is not made for a {card.name}"
        return Verdict(rung.name, False, reason, "card")
    found = _attempt_with(models[0], rung, options)
    for model in models[1:]:
        if not found.ok:
            break
        other = _attempt_with(model, rung, options)
        counts = found if other.ok or other.kind in PASSING else other
        found = replace(counts, cases=[*found.cases, *other.cases], seconds=found.seconds + other.seconds)
    return found


def _attempt_with(model: Offered, rung: Rung, options: argparse.Namespace) -> Verdict:
    try:
        ensure_offered(model, rung.form, options.weights, print_progress, options.mirror)
    except EngineError as error:
        return Verdict(rung.name, False, str(error), "missing")
    device = "cpu" if options.device == "cpu" else "cuda"
    command = [sys.executable, "-X", "faulthandler", "-m", "transcription.engine", "gpu-check", "--try", rung.name]
    machine = machine_arguments(argparse.Namespace(**{**vars(options), "device": device}))
    found = try_rung(rung, [*command, "--model", str(model), *machine])
    return found if found.ok else replace(found, reason=f"{model.name}: {found.reason}")


def _facts(rung: Rung, card: Card, options: argparse.Namespace, models: Sequence[Offered]) -> Facts:
    """Returns what a rung's verdict depends on."""
    library = "ctranslate2" if rung.backend == "ctranslate2" else "torch"
    return {
        "the card": f"{card.name} {card.uuid}",
        "the driver": card.driver,
        library: _version(library),
        "the models": ", ".join(map(str, models)),
        "the weights": ", ".join(_stamp(rung, options.weights, model) for model in models),
        "the engine": _own_version(),
        "its settings": f"{options.memory_limit_mib} MiB, {options.batch_size}, {options.cross_attention}",
    }


def _stamp(rung: Rung, folder: Path, model: Offered) -> str:
    """Returns the size and time of the weights, which tell them apart without reading gigabytes; empty without any."""
    form = "ctranslate2" if model.source else rung.form
    places = [place_of(model.name, form, folder), place_of(model.name, "ctranslate2", folder) / MODEL]
    for file in (place / MODEL if place.is_dir() else place for place in places):
        if file.is_file():
            facts = file.stat()
            return f"{file.name} {facts.st_size} {facts.st_mtime_ns}"
    return ""


@cache
def _own_version() -> str:
    """Returns a digest of the engine's own code."""
    root = Path(transcription.engine.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:DIGITS]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
