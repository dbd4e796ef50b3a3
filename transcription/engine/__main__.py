"""`python -m transcription.engine`: see `cli`."""

import sys

from transcription.engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
