"""How often an enrolled person is recognised, and anybody else taken for one, on real voices.

    SPEAKERS=FOLDER python -m benchmarks.voices [--minutes 3] [--seeds 3] [--first-seed 200]

The folder is that of `benchmarks.speakers`. Each reader is enrolled with the first six seconds of three clips;
conversations are made of the three others: of all readers as they are and in noise (10 dB below), and of two at a time
as a telephone hears them (300 to 3400 Hz). Each speaker that is found is compared with all readers, and again with each
of them left out, who is a stranger then; the speakers of the meetings are strangers always. Missed: an enrolled reader
who gets no name. Wrong: a speaker who gets another one's name. Those who speak for less than four seconds count
nowhere.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.speakers import Conversation, Samples, conversation, meetings, readers, telephone, weights
from benchmarks.speech import ROOT
from benchmarks.table import machine, print_table
from transcription.diarization import voices
from transcription.diarization.process import DiarizationProcess
from transcription.diarization.types import SAMPLE_RATE, Diarization, SpeakerCount

ENROLLED_CLIPS = 3
ENROLLED_SECONDS = 6
THRESHOLDS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.7)


@dataclass(frozen=True)
class Heard:
    """A speaker that was found: which reader it is, -1 for a stranger, and how much it is like each reader."""

    reader: int
    likeness: NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=200)
    options = parser.parse_args()
    folder = Path(os.environ.get("SPEAKERS") or ROOT.parent / "shared" / "speakers")
    people = readers(folder)
    enrolled = [enrolled_voice(clips[:ENROLLED_CLIPS]) for clips in people]
    others = [clips[ENROLLED_CLIPS:] for clips in people]
    rows = []
    for name, (at_once, changed) in CONDITIONS.items():
        heard = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            order = np.random.default_rng(seed).permutation(len(others))
            for who in np.array_split(order, len(order) // at_once):
                made = conversation([others[reader] for reader in who], seed, options.minutes)
                heard += heard_in(made, changed(made.samples), enrolled, who.tolist())
        rows += rates(name, heard)
    strangers = [one for made in meetings(folder) for one in heard_in(made, made.samples, enrolled)]
    rows += rates("meetings", strangers)
    head = ["sound", "cosine", "wrong names", "missed", "likeness of the same (least)", "of others (most)"]
    print_table(f"{machine()}, onnxruntime {version('onnxruntime')}; margin {voices.MARGIN}", head, rows)


def enrolled_voice(clips: list[Samples]) -> voices.Voice:
    samples = [voices.listen(weights(), clip[: ENROLLED_SECONDS * SAMPLE_RATE]) for clip in clips]
    return voices.together([sample.voice for sample in samples])


def heard_in(
    made: Conversation, samples: Samples, enrolled: list[voices.Voice], who: Sequence[int] = ()
) -> list[Heard]:
    """Returns the speakers that are found in a conversation and speak for long enough.

    who: which reader each speaker of the reference is; nothing for strangers.
    """
    with DiarizationProcess(weights(), SpeakerCount(), 1) as process:
        process.write(samples)
        found = process.finish()
        alike = voices.likeness(found, process.new_checkpoints(), enrolled)
    return [
        Heard(who[_speaker(made, found, speaker)] if who else -1, row)
        for speaker, row in alike.items()
        if voices.seconds_of(found, speaker) >= voices.RECOGNISED_SECONDS
    ]


def _speaker(made: Conversation, found: Diarization, speaker: int) -> int:
    """Returns with whom of the reference the speaker shares the most time."""
    shared = defaultdict[int, float](float)
    for turn in found.turns:
        for truth in made.turns if turn.speaker == speaker else ():
            shared[truth.speaker] += max(0.0, min(turn.end, truth.end) - max(turn.start, truth.start))
    return max(shared, key=lambda each: shared[each])


def rates(name: str, heard: list[Heard]) -> list[list[str]]:
    """Returns a row for each threshold: with all readers enrolled, and with each of them left out in turn."""
    same = [float(one.likeness[one.reader]) for one in heard if one.reader >= 0]
    others = [float(np.delete(one.likeness, one.reader).max() if one.reader >= 0 else one.likeness.max())
              for one in heard]  # fmt: skip
    extremes = [f"{min(same):.2f}" if same else "–", f"{max(others):.2f}"]
    rows = []
    for threshold in THRESHOLDS:
        wrong = tried = missed = known = 0
        for one in heard:
            for left_out in (None, *range(len(one.likeness))):
                row = one.likeness.copy()
                if left_out is not None:
                    row[left_out] = -1.0
                named = int(row.argmax()) if row.max() >= threshold and voices.leads(row) >= voices.MARGIN else None
                is_enrolled = one.reader >= 0 and left_out != one.reader
                tried, wrong = tried + 1, wrong + (named is not None and (not is_enrolled or named != one.reader))
                known, missed = known + is_enrolled, missed + (is_enrolled and named is None)
        share = f"{missed} of {known}" if known else "–"
        rows.append([name, f"{threshold:.2f}", f"{wrong} of {tried}", share, *extremes])
    return rows


def _noisy(samples: Samples) -> Samples:
    level = np.sqrt(np.mean(samples.astype(np.float64) ** 2)) * 10 ** (-10 / 20)
    noise = np.random.default_rng(0).normal(0, level, len(samples))
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


CONDITIONS: dict[str, tuple[int, Callable[[Samples], Samples]]] = {
    "as it is": (5, lambda samples: samples),
    "noise": (5, _noisy),
    "telephone": (2, telephone),
}
"""How many speak in a conversation, and what becomes of its sound."""


if __name__ == "__main__":
    main()
