"""What each recording must come out as: `python -m tests.chaos.expected FOLDER` writes FOLDER/expected.json.

Computed by the product's own decoder and windows and the chaos backend's own words, without a process, a queue or a
database in between. That these are the words of an undisturbed run, each run shows first on a few recordings.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from tests.chaos.backend import ChaosVocabulary, decoded, language_of
from transcription import media
from transcription.engine.backend import Language, Work
from transcription.engine.exact import transcribe_exactly
from transcription.engine.fast import transcribe_fast
from transcription.engine.hearing import Hearing
from transcription.engine.prompts import prompt_of
from transcription.engine.types import MODES, DecodeOptions, Mode, Window, WindowResult

MODEL = "base"


def mode_of(file: Path) -> Mode:
    """In which mode a recording is sent: one half of them in each."""
    return MODES[crc32(file.stem.encode()) % len(MODES)]


def text_of(file: Path) -> str:
    pcm = media.decode(file, "wav", 3600.0)
    if mode_of(file) == "exact":
        results = transcribe_exactly(pcm, hear, DecodeOptions(MODEL))
    else:
        results = transcribe_fast(pcm, hear, lambda window, language: next(hear([window], language)))
    return "".join(segment.text for result in results for segment in result.segments).strip()


def hear(windows: Iterable[Window], language: str = "") -> Iterator[WindowResult]:
    """An engine of one recording, in this process."""
    for window in windows:
        work = Work(window, DecodeOptions(MODEL))
        work.language = language = language or language_of(work)
        work.prompt = prompt_of(work, ChaosVocabulary())
        yield Hearing(work, decoded(work), ChaosVocabulary()).result(Language(language, 0.9), "")


def main(folder: Path) -> None:
    os.nice(10)  # the processes under test go first
    texts = {file.stem: text_of(file) for file in sorted(folder.glob("*.wav"))}
    (folder / "expected.json").write_text(json.dumps(texts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
