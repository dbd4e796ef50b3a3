"""Prints what a check of the GPU finds, for people or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Literal

from transcription.engine.gpu_check.ladder import Ladder
from transcription.engine.gpu_check.rungs import rung_of
from transcription.engine.gpu_check.trial import Verdict
from transcription.engine.types import EngineError


def report(ladder: Ladder, name: str, form: Literal["lines", "json"]) -> int:
    """Tries the rungs again, the best first, until one passes; with the name of one only that.

    Returns 0 where the best one that was to be tried passes, 1 otherwise.
    """
    if name != "auto":
        ladder.rungs = [rung_of(name)]
    verdicts: list[Verdict] = []

    def told(verdict: Verdict) -> None:
        verdicts.append(verdict)
        if form == "lines":
            print("\n".join(_lines(verdict)), flush=True)

    try:
        chosen = ladder.choose(again=True, told=told)
        rung, notice, says = chosen.rung.name, chosen.notice, chosen.notice or f"runs with {chosen.rung.title}"
    except EngineError as error:
        rung, notice, says = "", str(error), f"does not run: {error}"
    if form == "json":
        print(json.dumps({"rung": rung, "notice": notice, "verdicts": [asdict(one) for one in verdicts]}, indent=1))
    else:
        print(f"\nthe engine {says}" if ladder.file else f"\non the CPU, which says nothing of a GPU, it {says}")
    return 1 if notice else 0


def _lines(verdict: Verdict) -> list[str]:
    head = f"{verdict.rung}: {'passes' if verdict.ok else 'fails'} after {verdict.seconds:.0f} s"
    rows = [
        f"  {'ok ' if case['ok'] else 'NOT'} {case['name']:15} {case['found']}"
        + (f" (required: {case['required']})" if case["required"] else "")
        for case in verdict.cases
    ]
    return [head, *rows, *([f"  {verdict.reason}"] if verdict.reason and not verdict.cases else [])]
