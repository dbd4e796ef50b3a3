"""`python -m transcription.engine`: see `cli`."""

import os
import sys

# Before numpy is imported. Its products are small, and the threads of its BLAS go on spinning after each of them, on
# the cores that the model's threads need: the encoder took twice as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from transcription.engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
