"""The engine alone: `python -m benchmarks.engine FILE… [--repeats N] [--backend …]`."""

from __future__ import annotations

import sys

from transcription.engine.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
