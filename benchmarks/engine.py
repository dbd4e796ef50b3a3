"""The engine beside its peers, in turns, on this machine: `python -m benchmarks.engine [PART…] [--repeats N]`.

PART is speed, load, growth or agreement; all of them unless given. `SPEECH` names a folder of clips
with references (benchmarks/speech.py). docs/engine.md keeps what was measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import agreement, growth, load, speed
from benchmarks.table import machine

PARTS: dict[str, Callable[[int], None]] = {
    "agreement": agreement.measure,
    "speed": speed.measure,
    "load": load.measure,
    "growth": growth.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(machine())
    for name in arguments.parts or PARTS:
        PARTS[name](arguments.repeats)


if __name__ == "__main__":
    main()
