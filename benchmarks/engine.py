"""The engine beside its peers, in turns, on this machine: `python -m benchmarks.engine [PART…] [--repeats N]`.

PART is agreement, speed, load or growth, all of them unless given; or clip: of speed the short one alone. `make
contestants` installs the others that speed compares into an environment of their own. `SPEECH` names a folder of clips
with references (benchmarks/speech.py).
docs/engine.md keeps what was measured.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from benchmarks import agreement, growth, load, speed
from benchmarks.contestants.entries import model_folder
from benchmarks.settings import Settings
from benchmarks.table import machine
from benchmarks.whisper_base import base_folder
from transcription.engine.machine import cores

PARTS: dict[str, Callable[[Settings], None]] = {
    "agreement": agreement.measure,
    "speed": speed.measure,
    "clip": speed.measure_clip,
    "load": load.measure,
    "growth": growth.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="base", help="of all parts; its weights must be there")
    parser.add_argument("--threads", type=int, default=cores(), help="cores to run on, of those there are")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if arguments.model == "base":
        base_folder()
    elif not (model_folder(arguments.model) / "model.bin").exists():
        parser.error(
            f"there are no weights of {arguments.model} in {model_folder(arguments.model)}: "
            f"python -m transcription.engine fetch {arguments.model}, then make contestants MODEL={arguments.model}"
        )
    limit_to(arguments.threads)
    print(f"{machine()}; {arguments.model}, {arguments.threads} threads, {arguments.repeats} turns")
    for name in arguments.parts or [part for part in PARTS if part != "clip"]:
        PARTS[name](Settings(arguments.repeats, arguments.model, arguments.threads))


def limit_to(threads: int) -> None:
    """Keep this process, and all that it starts, on so many logical CPUs, where the system can."""
    if hasattr(os, "sched_setaffinity") and threads < cores():
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


if __name__ == "__main__":
    main()
