"""Tries a rung in a child process: what hangs or crashes there has failed, and harms nobody else."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from transcription.engine.gpu_check.checks import Case, Kind
from transcription.engine.gpu_check.rungs import Rung

LIMIT_SECONDS = 600.0
"""For reading the weights, capturing, and all cases."""

KILLED_SECONDS = 5.0
"""How long a killed child is waited for: in the driver it may never end."""

LAST_WORDS = 300
START, READING = "its start", ("its start", "open")
"""Where a trial reads its libraries and weights, which takes minutes from a cold disk in the network."""


@dataclass(frozen=True)
class Verdict:
    """Whether a rung may be used. reason: why not, in a few words; cases: what was found, as in checks.Case."""

    rung: str
    ok: bool
    reason: str = ""
    kind: Kind = ""
    cases: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def try_rung(rung: Rung, command: Sequence[str], limit_seconds: float = LIMIT_SECONDS) -> Verdict:
    """Runs a command that prints lines of `line_of`, and returns what came of it."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
        end = _run(command, out, complaints, limit_seconds)
        out.seek(0)
        events = [json.loads(line) for line in out.read().decode(errors="replace").splitlines() if line[:1] == "{"]
        complaints.seek(0)
        last = " ".join(complaints.read().decode(errors="replace").split())[-LAST_WORDS:]
    cases = [event for event in events if "ok" in event]
    at = events[-1]["name"] if events else START
    seconds = round(time.monotonic() - began, 1)
    if bad := next((case for case in cases if not case["ok"]), None):
        reason = f"{bad['name']}: {bad['found']} (required: {bad['required']})"
        return Verdict(rung.name, False, reason, bad["kind"], cases, seconds)
    if end:
        words = f"; its last words: {last}" if last else ""
        kind: Kind = "unread" if end.was_killed and at in READING else "broken"
        return Verdict(rung.name, False, f"its trial {end.how} at “{at}”{words}", kind, cases, seconds)
    return Verdict(rung.name, True, cases=cases, seconds=seconds)


def line_of(event: str | Case) -> str:
    """Returns the line that a child prints when a case begins, and when it is done."""
    return json.dumps({"name": event} if isinstance(event, str) else asdict(event))


@dataclass(frozen=True)
class _End:
    """How a child ended. was_killed: by us, as time was up, or by the kernel, as the machine's memory was."""

    how: str
    was_killed: bool = False


def _run(command: Sequence[str], out: IO[bytes], complaints: IO[bytes], limit_seconds: float) -> _End | None:
    """Returns how the child ended, where not as it should: None for an exit with 0."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints)
    try:
        code = child.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        try:
            child.wait(KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            return _End(f"took longer than {limit_seconds:g} s, and cannot even be killed,")
        return _End(f"took longer than {limit_seconds:g} s and was killed", was_killed=True)
    except BaseException:
        child.kill()
        raise
    if code < 0:
        return _End(f"was ended by {signal.Signals(-code).name}", was_killed=code == -signal.SIGKILL)
    return _End(f"ended with code {code}") if code else None
