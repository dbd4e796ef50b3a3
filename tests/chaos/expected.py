"""What each recording must come out as: `python -m tests.chaos.expected FOLDER` writes FOLDER/expected.json.

Computed by the product's own decoder and windows and the chaos backend's own words, without a process, a queue or a
database in between. That these are the words of an undisturbed run, each run shows first on a few recordings.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import chain
from pathlib import Path

from tests.chaos.backend import decoded, language_of
from transcription import media
from transcription.engine.windows import fast_windows


def text_of(file: Path) -> str:
    windows = fast_windows(media.decode(file, "wav", 3600.0))
    first = next(windows, None)
    if first is None:
        return ""
    language = language_of(first.samples)
    pieces = (piece.text for window in chain([first], windows) for piece in decoded(window.samples, language).pieces)
    return "".join(pieces).strip()


def main(folder: Path) -> None:
    os.nice(10)  # the processes under test go first
    texts = {file.stem: text_of(file) for file in sorted(folder.glob("*.wav"))}
    (folder / "expected.json").write_text(json.dumps(texts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
