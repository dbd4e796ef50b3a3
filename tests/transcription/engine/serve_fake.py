"""An engine with the fake backend: `python -m tests.transcription.engine.serve_fake SOCKET WORKERS [SLOTS STEPS]`.

With WAITS_FOR in its environment it finds out what it runs on once that file is there, as one that tries its GPU.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.transcription.engine.fake_backend import FakeBackend
from transcription.engine import guard
from transcription.engine.server import Server, Setup

WAITS_FOR = "WAITS_FOR"


def main(address: Path, workers: int, slots: int = 4, steps: int = 3) -> int:
    guard.die_with_parent()
    weights = address.with_name("weights")
    weights.touch()
    backend = FakeBackend(workers=workers, slots=slots, steps=steps)

    def set_up() -> Setup:
        while (sign := os.environ.get(WAITS_FOR)) and not Path(sign).exists():
            time.sleep(0.01)
        return Setup(backend, lambda _: weights, batch_size=8)

    return Server(("base",), address, set_up).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
