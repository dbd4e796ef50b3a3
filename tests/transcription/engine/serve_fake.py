"""An engine with the fake backend: `python -m tests.transcription.engine.serve_fake SOCKET WORKERS`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.transcription.engine.fake_backend import FakeBackend
from transcription.engine import guard
from transcription.engine.server import Server


def main(address: Path, workers: int) -> int:
    guard.die_with_parent()
    weights = address.with_name("weights")
    weights.touch()
    return Server(FakeBackend(workers=workers), ("base",), lambda _: weights, address, batch_size=8).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
