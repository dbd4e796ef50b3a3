"""What each recording must come out as: `python -m tests.chaos.expected FOLDER [--real]` writes FOLDER/expected.json.

Computed by the product's own decoder and windows and the chaos backend's own words, without a process, a queue or a
database in between; with --real by an engine of its own, one recording after the other. That these are the words of an
undisturbed run, each run shows first on a few recordings.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from benchmarks.contestants.ours import engine
from tests.chaos.backend import ChaosVocabulary, decoded, language_of
from tests.chaos.process_group import weights
from transcription import media
from transcription.engine.backend import Language, Work
from transcription.engine.exact import transcribe_exactly
from transcription.engine.fast import transcribe_fast
from transcription.engine.modes import transcribe
from transcription.engine.prompts import prompt_of
from transcription.engine.spoken_language import followed
from transcription.engine.types import MODES, DecodeOptions, Mode, Window, WindowResult
from transcription.engine.window_transcript import WindowTranscript

OPTIONS = DecodeOptions("base")


def mode_of(file: Path) -> Mode:
    """In which mode a recording is sent: one half of them in each."""
    return MODES[crc32(file.stem.encode()) % len(MODES)]


def text_of(file: Path) -> str:
    pcm, engine = media.decode(file, "wav", 3600.0), Engine()
    if mode_of(file) == "exact":
        results = transcribe_exactly(pcm, engine.hear, OPTIONS, 80)
    else:
        results = transcribe_fast(pcm, engine.hear, heard_in, decode_half=lambda half: next(engine.hear([half])))
    return "".join(segment.text for result in results for segment in result.segments).strip()


class Engine:
    """An engine of one recording, in this process."""

    def __init__(self) -> None:
        self._spoken: Language | None = None

    def hear(self, windows: Iterable[Window]) -> Iterator[WindowResult]:
        for window in windows:
            work = Work(window, OPTIONS)
            found, before = Language(language_of(work), 0.9), self._spoken
            language = followed(found, before, work) if before else found
            if before and language.code != before.code and window.passage is not None:
                work.window = replace(window, passage=replace(window.passage, context=()))
            if before is None or window.passage is not None:
                self._spoken = language
            yield result_of(work, language)


def heard_in(window: Window, language: str) -> WindowResult:
    """A window whose language is known."""
    return result_of(Work(window, OPTIONS), Language(language, 1.0))


def result_of(work: Work, language: Language) -> WindowResult:
    work.language = language.code
    work.prompt = prompt_of(work, ChaosVocabulary())
    return WindowTranscript(work, decoded(work), ChaosVocabulary()).result(language, "")


def real_texts(files: list[Path]) -> dict[str, str]:
    with engine(weights=weights()) as client:
        texts = {}
        for file in files:
            results = transcribe(client, media.decode(file, "wav", 3600.0), OPTIONS, mode_of(file))
            texts[file.stem] = "".join(segment.text for result in results for segment in result.segments).strip()
        return texts


def main(folder: Path, is_real: bool) -> None:
    os.nice(10)  # the processes under test go first
    files = sorted(folder.glob("*.wav"))
    texts = real_texts(files) if is_real else {file.stem: text_of(file) for file in files}
    (folder / "expected.json").write_text(json.dumps(texts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--real" in sys.argv)
