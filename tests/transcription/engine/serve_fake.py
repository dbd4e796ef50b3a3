"""An engine with the fake backend: `python -m tests.transcription.engine.serve_fake SOCKET WORKERS [SLOTS STEPS]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.transcription.engine.fake_backend import FakeBackend
from transcription.engine import guard
from transcription.engine.server import Server


def main(address: Path, workers: int, slots: int = 4, steps: int = 3) -> int:
    guard.die_with_parent()
    weights = address.with_name("weights")
    weights.touch()
    return Server(
        FakeBackend(workers=workers, slots=slots, steps=steps), ("base",), lambda _: weights, address, batch_size=8
    ).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
