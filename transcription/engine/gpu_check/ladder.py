"""Chooses the best rung that passes its trial, and keeps what was found beside the weights."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transcription.engine.gpu_check.checks import Kind
from transcription.engine.gpu_check.rungs import RUNGS, Rung
from transcription.engine.gpu_check.trial import Verdict
from transcription.engine.types import EngineError

log = logging.getLogger(__name__)

LOSS_SECONDS = 1200.0
"""Two losses of the device within this drop a rung: longer than the first opening of a model may hang."""

PASSING: tuple[Kind, ...] = ("missing", "memory", "busy", "unread")
"""Failures that are not kept: the next start may find the file, memory, the GPU, or the file in the disk's cache."""

TODO: dict[Kind, str] = {
    "missing": "put there what is missing",
    "memory": "free the GPU's memory, raise GPU_MEMORY_LIMIT_MIB, set WHISPER_CROSS_ATTENTION=absorbed, or offer a "
    "smaller model",
    "busy": "see in nvidia-smi whether another process has the GPU alone (compute mode), and whether MPS, NVIDIA's "
    "Fabric Manager or a virtual GPU's licence is amiss",
    "unread": "see how fast the disk with the weights is, and how much of the machine's memory is free",
    "text": "update NVIDIA's driver and torch, and check the weights",
    "slow": "see in nvidia-smi whether something else uses the GPU, or heat or a power limit slows it",
    "card": "nothing with this GPU",
    "broken": "look for Xid errors in the kernel's log (dmesg), and update NVIDIA's driver",
}

Facts = dict[str, str]


@dataclass(frozen=True)
class Chosen:
    """The rung that was chosen. notice: why it is not the best one, and what to do; empty for the best one, or a
    pinned one."""

    rung: Rung
    notice: str = ""


@dataclass
class Ladder:
    """Keeps verdicts, each with the facts on which it depends, in a file.

    file: None to keep nothing. facts: of a rung, such as the driver's version; other ones make its verdict void.
    attempt: tries a rung. The last of `rungs` is not tried where it is the CPU.
    """

    file: Path | None
    facts: Callable[[Rung], Facts]
    attempt: Callable[[Rung], Verdict]
    rungs: Sequence[Rung] = RUNGS

    def choose(self, again: bool = False, told: Callable[[Verdict], None] = lambda verdict: None) -> Chosen:
        """Returns the first rung that passes, trying those without a valid verdict; with `again` all up to it.

        told: called with each verdict. Raises EngineError where none passes.
        """
        failed: list[Verdict] = []
        for rung in self.rungs:
            if rung.device == "cpu":
                return self._chosen(rung, failed)
            verdict = (None if again else self._kept(rung)) or self._tried(rung)
            told(verdict)
            if verdict.ok:
                return self._chosen(rung, failed)
            failed.append(verdict)
        raise EngineError(f"nothing runs on the GPU: {_reasons(failed)}")

    def note_loss(self, rung: Rung, reason: str) -> None:
        """Notes that the device was lost; the second time within LOSS_SECONDS the rung has failed."""
        record, now = self._read(), time.time()
        lately = [at for at in record.get("losses", {}).get(rung.name, []) if now - at < LOSS_SECONDS]
        record.setdefault("losses", {})[rung.name] = [*lately, now]
        if lately:
            why = f"the device was lost twice within {LOSS_SECONDS / 60:.0f} minutes: {reason}"
            self._keep(record, rung, Verdict(rung.name, False, why, "broken"))
            record["losses"][rung.name] = []
        self._write(record)

    def _chosen(self, rung: Rung, failed: Sequence[Verdict]) -> Chosen:
        if not failed:
            return Chosen(rung)
        todo = "; ".join(dict.fromkeys(TODO[verdict.kind] for verdict in failed if verdict.kind))
        return Chosen(
            rung,
            f"runs with {rung.title}, not with {self.rungs[0].title}. {_reasons(failed)}. To do: {todo}; then run "
            "`python -m transcription.engine gpu-check`, or choose a rung with WHISPER_RUNG",
        )

    def _tried(self, rung: Rung) -> Verdict:
        log.info("trying %s: this takes a minute or more", rung.title)
        verdict = self.attempt(rung)
        if verdict.ok:
            log.info("%s: passes after %.0f s", rung.title, verdict.seconds)
        else:
            log.warning("%s: fails: %s", rung.title, verdict.reason)
        record = self._read()
        unread = [name for name in record.get("unread", []) if name != rung.name]
        if verdict.kind == "unread" and len(unread) < len(record.get("unread", [])):
            verdict = replace(verdict, kind="broken")  # twice: the driver hangs, and not the disk
        elif verdict.kind == "unread":
            unread.append(rung.name)
        record["unread"] = unread
        if verdict.kind in PASSING:
            record.get("verdicts", {}).pop(rung.name, None)
        else:
            self._keep(record, rung, verdict)
        self._write(record)
        return verdict

    def _keep(self, record: dict[str, Any], rung: Rung, verdict: Verdict) -> None:
        record.setdefault("verdicts", {})[rung.name] = {"facts": self.facts(rung), "verdict": asdict(verdict)}

    def _kept(self, rung: Rung) -> Verdict | None:
        kept = self._read().get("verdicts", {}).get(rung.name)
        if not kept:
            return None
        changed = [name for name, fact in self.facts(rung).items() if kept["facts"].get(name) != fact]
        if changed:
            log.info("trying %s again, as %s changed", rung.title, ", ".join(changed))
            return None
        return Verdict(**kept["verdict"])

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(self.file.read_text()) if self.file else {}
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _write(self, record: dict[str, Any]) -> None:
        if self.file is None:
            return
        fresh = self.file.with_suffix(".part")
        try:
            fresh.write_text(json.dumps(record, indent=1))
            fresh.replace(self.file)
        except OSError as error:
            log.warning("what the GPU was found to do cannot be kept (%s): the next start tries it again", error)


def _reasons(failed: Sequence[Verdict]) -> str:
    """Returns why rungs failed, those for the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for verdict in failed:
        by_reason.setdefault(verdict.reason, []).append(verdict.rung)
    return "; ".join(f"{', '.join(rungs)}: {reason}" for reason, rungs in by_reason.items())
