"""How many word errors does a reader find who follows the ranking? `python -m benchmarks.proofreading [FOLDER…]`

A simulated reader visits passages in the order of transcription.transcripts.ranking, once with and once without the
words' figures, in the order of the recording or at random, or as if he knew what is wrong, and corrects whatever is
wrong with a word that he is shown; a missing word is found where a word beside it is shown. A recording is up to five
minutes of clips, one after another, whose names begin alike: with their reader. Each is heard plain and in white noise.
A folder has a `refs.txt` with a line `NAME|TEXT` for each clip, or a .txt beside each .wav or .flac; without folders,
`SPEECH` names one (benchmarks/speech.py). What is only spelled otherwise, “shopboy” or “twenty five”, is no error.

A recording is ranked by coefficients that were fitted to those of other readers: ten times, a tenth of the readers is
put aside. Folders count alike, and so do both sounds. `--fit` prints those that are fitted to all readers, the
ranking's. Nothing is fitted to folders after `--apart`, which are ranked as the portal ranks. What is printed is the
share of the errors that is found, and the word error rate that is left, by the share of the words that was visited.
`--chart FILE` draws the latter of the first folder as SVG. docs/proofreading.md keeps what was measured.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import django
import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from benchmarks.contestants.ours import engine  # noqa: E402 - models need the settings
from benchmarks.speech import Clip, clips, pcm  # noqa: E402
from benchmarks.table import machine, print_table  # noqa: E402
from benchmarks.word_errors import errors_of, normalized  # noqa: E402
from transcription.engine.client import EngineClient  # noqa: E402
from transcription.engine.modes import transcribe  # noqa: E402
from transcription.engine.types import DecodeOptions, Span  # noqa: E402
from transcription.models import Segment, Transcription  # noqa: E402
from transcription.segments.word_places import placed_words  # noqa: E402
from transcription.transcripts.ranking import WORD_COEFFICIENTS, Coefficients, Passage, ranked, word_figures  # noqa: E402
from transcription.worker.window_writer import segments_of  # noqa: E402

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PRINTED = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
NOISE_DECIBELS = 10.0
SECONDS = 300.0
"""Of a recording, at most one clip more."""

FOLDS = 10
SPOKEN_BEFORE = 1.0
"""Seconds that are played before a passage."""

RANDOM_ORDERS = 20
PENALTY = 1.0
STEPS = 50
COLOURS = {
    "worst first": "#0d6b62",
    "worst segment first": "#0b62b8",
    "straight through": "#8a5300",
    "as if known": "#7a3e9d",
    "random": "#646e6b",
}

Order = Callable[["Heard"], list[Passage]]


@dataclass(frozen=True)
class Heard:
    """A recording's text by the engine, with where it is wrong.

    words: each word's segment and first character. errors: for each, the words by which it is found, as numbers.
    """

    folder: str
    reader: str
    condition: str
    segments: list[Segment]
    gaps: list[Span]
    words: list[tuple[int, int]]
    errors: list[set[int]]
    spoken: int
    seconds: float
    coefficients: Coefficients = WORD_COEFFICIENTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--apart", nargs="+", default=[], type=Path, metavar="FOLDER")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--chart", type=Path)
    arguments = parser.parse_args()
    print(machine())
    folders = {folder.name: in_folder(folder) for folder in arguments.folders} or {"speech": clips()}
    with engine(model=arguments.model) as client:
        print(client.status().versions)
        heard = list(_all_heard(client, arguments.model, folders))
        held_back = {folder.name: in_folder(folder) for folder in arguments.apart}
        apart = list(_all_heard(client, arguments.model, held_back))
    if arguments.fit:
        print("WORD_COEFFICIENTS", _rounded(_fitted_to(heard, _word_columns)))
        print("SEGMENT_COEFFICIENTS", _rounded(_fitted_to(heard, _segment_columns)))
    ranked_by_others = [*_with_others_coefficients(heard), *apart]
    _print_shares(ranked_by_others)
    _print_left(ranked_by_others)
    if arguments.chart:
        arguments.chart.write_text(_chart(next(iter(_groups(ranked_by_others).values()))))


def in_folder(folder: Path) -> list[Clip]:
    """Returns the clips of a folder, by name."""
    listed = folder / "refs.txt"
    if listed.exists():
        lines = [line.split("|", 1) for line in listed.read_text().splitlines() if "|" in line]
        pairs = [(next(folder.glob(f"{name}.*")), text) for name, text in lines]
    else:
        sounds = sorted([*folder.glob("*.wav"), *folder.glob("*.flac")])
        pairs = [(path, path.with_suffix(".txt").read_text()) for path in sounds if path.with_suffix(".txt").exists()]
    return [Clip(path, text, len(pcm(path)) / 32_000) for path, text in pairs]


def _recordings(parts: list[Clip]) -> Iterator[list[Clip]]:
    for _, of_reader in groupby(parts, key=_reader):
        recording: list[Clip] = []
        for clip in of_reader:
            if sum(each.seconds for each in recording) >= SECONDS:
                yield recording
                recording = []
            recording.append(clip)
        yield recording


def _all_heard(client: EngineClient, model: str, folders: dict[str, list[Clip]]) -> Iterator[Heard]:
    for name, parts in folders.items():
        for recording in _recordings(parts):
            yield from _heard(client, model, name, recording)


def _reader(clip: Clip) -> str:
    return clip.path.stem.split("-")[0]


def _heard(client: EngineClient, model: str, folder: str, recording: list[Clip]) -> Iterator[Heard]:
    pause = np.zeros(8000)
    samples = np.concatenate([part for clip in recording for part in (_samples(clip), pause)])
    power = np.sqrt(np.mean(samples**2)) * 10 ** (-NOISE_DECIBELS / 20)
    noise = np.random.default_rng(len(samples)).normal(0.0, power, len(samples))
    text = " ".join(clip.text for clip in recording)
    for condition, sound in (("plain", samples), (f"in noise, {NOISE_DECIBELS:.0f} dB", samples + noise)):
        data = np.clip(np.rint(sound), -32768, 32767).astype("<i2").tobytes()
        options = DecodeOptions(model, language="en", word_timestamps=True)
        results = list(transcribe(client, [data], options, "fast"))
        row, segments = Transcription(), list[Segment]()
        for result in results:
            segments += segments_of(row, result, len(segments))
        gaps = [span for result in results for span in result.missed_speech]
        places = [(segment.index, first) for segment in segments for first, _, _ in placed_words(segment)]
        written = [word["word"] for segment in segments for _, _, word in placed_words(segment)]
        spoken = normalized(text).split()
        errors, reader = list(errors_of(spoken, written)), _reader(recording[0])
        yield Heard(folder, reader, condition, segments, gaps, places, errors, len(spoken), len(data) / 32_000)


def _with_others_coefficients(recordings: Sequence[Heard]) -> Iterator[Heard]:
    """Returns the recordings with coefficients that were fitted to those of other readers."""
    readers = list(dict.fromkeys(heard.reader for heard in recordings))
    fitted: dict[str, Coefficients] = {}
    for fold in range(min(FOLDS, len(readers))):
        apart = readers[fold::FOLDS]
        others = [heard for heard in recordings if heard.reader not in apart]
        coefficients = _rounded(_fitted_to(others, _word_columns)) if others else WORD_COEFFICIENTS
        fitted |= dict.fromkeys(apart, coefficients)
    return (replace(heard, coefficients=fitted[heard.reader]) for heard in recordings)


def _worst_first(heard: Heard) -> list[Passage]:
    return ranked(heard.segments, heard.gaps, heard.coefficients)


def _as_if_known(heard: Heard) -> list[Passage]:
    """The same passages, those first that hold most errors a word: what no order of them can surpass by much."""
    numbers = {place: number for number, place in enumerate(heard.words)}

    def share(passage: Passage) -> float:
        words = _words_of(passage, heard, numbers)
        return sum(bool(error & words) for error in heard.errors) / max(1, len(words))

    return sorted(_worst_first(heard), key=share, reverse=True)


def _worst_segments_first(heard: Heard) -> list[Passage]:
    """As where words were not timed."""
    fields = ("index", "start", "end", "text", "avg_logprob", "no_speech_prob", "non_speech_share", "temperature")
    untimed = [Segment(**{name: getattr(segment, name) for name in fields}) for segment in heard.segments]
    return ranked(untimed, heard.gaps)


def _straight_through(heard: Heard) -> list[Passage]:
    return sorted(_worst_first(heard), key=lambda passage: passage.start)


def _at_random(seed: int) -> Order:
    return lambda heard: list(np.random.default_rng(seed).permutation(np.array(_worst_first(heard), dtype=object)))


ORDERS: dict[str, list[Order]] = {
    "worst first": [_worst_first],
    "worst segment first": [_worst_segments_first],
    "straight through": [_straight_through],
    "random": [_at_random(seed) for seed in range(RANDOM_ORDERS)],
    "as if known": [_as_if_known],
}


def _found(heard: Heard, order: Order) -> list[float]:
    """Returns how many errors are found once each of SHARES of the words was visited; whole passages only."""
    numbers = {place: number for number, place in enumerate(heard.words)}
    seen: set[int] = set()
    visited, found = [0.0], [0.0]
    for passage in order(heard):
        seen |= _words_of(passage, heard, numbers)
        visited.append(len(seen) / len(heard.words))
        found.append(float(sum(bool(error & seen) for error in heard.errors)))
    return [max(f for v, f in zip(visited, found, strict=True) if v <= share + 1e-9) for share in SHARES]


def _words_of(passage: Passage, heard: Heard, numbers: dict[tuple[int, int], int]) -> set[int]:
    """Returns the words of a passage; of speech without text the words on both sides."""
    if passage.segment is not None:
        index = passage.segment.index
        return {n for (of, at), n in numbers.items() if of == index and passage.first <= at < max(1, passage.last)}
    before = [n for (of, _), n in numbers.items() if heard.segments[of].start <= passage.start]
    return {n for n in (max(before, default=-1), max(before, default=-1) + 1) if 0 <= n < len(numbers)}


def _curve(recordings: Sequence[Heard], orders: Sequence[Order]) -> list[float]:
    """Returns the share of all errors that is found at each of SHARES."""
    every = [[_found(heard, order) for heard in recordings] for order in orders]
    totals = np.array(every).sum(axis=1).mean(axis=0)
    return [float(total) / max(1, sum(len(heard.errors) for heard in recordings)) for total in totals]


def _groups(recordings: Sequence[Heard]) -> dict[str, list[Heard]]:
    """Returns the recordings of each folder and condition."""
    names = dict.fromkeys(f"{heard.folder}, {heard.condition}" for heard in recordings)
    return {name: [heard for heard in recordings if f"{heard.folder}, {heard.condition}" == name] for name in names}


def _print_shares(recordings: Sequence[Heard]) -> None:
    rows = []
    for group, chosen in _groups(recordings).items():
        errors, spoken = sum(len(heard.errors) for heard in chosen), sum(heard.spoken for heard in chosen)
        for name, orders in ORDERS.items():
            curve = dict(zip(SHARES, _curve(chosen, orders), strict=True))
            rows.append([group, f"{errors} of {spoken}", name, *(f"{curve[share]:.0%}" for share in PRINTED)])
        played = _played(chosen)
        rows.append([group, "", "sound played, worst first", *(f"{share:.0%}" for share in played)])
    head = ["sound", "errors", "order", *(f"{share:.0%} of the words" for share in PRINTED)]
    print_table("Errors found", head, rows)


def _print_left(recordings: Sequence[Heard]) -> None:
    rows = []
    for group, chosen in _groups(recordings).items():
        rate = sum(len(heard.errors) for heard in chosen) / sum(heard.spoken for heard in chosen)
        for name, orders in ORDERS.items():
            curve = dict(zip(SHARES, _curve(chosen, orders), strict=True))
            left = [f"{rate * (1 - curve[share]):.1%}" for share in (0.0, *PRINTED)]
            rows.append([group, name, *left])
    head = ["sound", "order", *(f"after {share:.0%}" for share in (0.0, *PRINTED))]
    print_table("Word error rate left", head, rows)


def _played(recordings: Sequence[Heard]) -> list[float]:
    """Returns the share of the sound that is played, a second before each passage counted, at each of PRINTED."""
    totals = np.zeros(len(PRINTED))
    for heard in recordings:
        numbers = {place: number for number, place in enumerate(heard.words)}
        seen: set[int] = set()
        for passage in _worst_first(heard):
            seen |= _words_of(passage, heard, numbers)
            share = len(seen) / len(heard.words)
            totals += (share <= np.array(PRINTED) + 1e-9) * (passage.end - passage.start + SPOKEN_BEFORE)
    return [float(total) / sum(heard.seconds for heard in recordings) for total in totals]


def _word_columns(segment: Segment) -> list[Sequence[float]]:
    return [word_figures(segment, at) for at, _ in enumerate(placed_words(segment))]


def _segment_columns(segment: Segment) -> list[Sequence[float]]:
    return [(-segment.avg_logprob,) for _ in placed_words(segment)]


def _fitted_to(recordings: Sequence[Heard], columns: Callable[[Segment], list[Sequence[float]]]) -> NDArray[np.float64]:
    """Fits coefficients to recordings, of which those of each folder and condition count alike."""
    figures, wrong, weights = list[Sequence[float]](), list[bool](), list[float]()
    for chosen in _groups(recordings).values():
        before = len(figures)
        for heard in chosen:
            faulty = set[int]().union(*heard.errors)
            figures += [row for segment in heard.segments for row in columns(segment)]
            wrong += [number in faulty for number in range(len(heard.words))]
        weights += [1 / (len(figures) - before)] * (len(figures) - before)
    scale = len(weights) / sum(weights)
    return _fitted(np.array(figures), np.array(wrong, float), scale * np.array(weights))


def _fitted(
    figures: NDArray[np.float64], wrong: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fits a logistic regression by Newton's method, with an L2 penalty on all coefficients but the first."""
    columns = np.column_stack([np.ones(len(figures)), figures])
    penalty = PENALTY * np.diag([0.0, *[1.0] * figures.shape[1]])
    coefficients = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-columns @ coefficients))
        slope = columns.T @ (weights * (chances - wrong)) + penalty @ coefficients
        curvature = (columns * (weights * chances * (1 - chances))[:, None]).T @ columns + penalty
        coefficients -= np.linalg.solve(curvature, slope)
    return coefficients


def _rounded(coefficients: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(each), 2) for each in coefficients)


def _samples(clip: Clip) -> NDArray[np.float64]:
    return np.frombuffer(pcm(clip.path), dtype="<i2").astype(np.float64)


def _chart(recordings: Sequence[Heard]) -> str:
    """Draws the word error rate that is left by the share of the words that was visited."""
    rate = sum(len(heard.errors) for heard in recordings) / sum(heard.spoken for heard in recordings)
    left, top, width, height = 56, 16, 480, 240

    def place(share: float, found: float) -> tuple[float, float]:
        return left + width * share, top + height * found

    lines = []
    for number, (name, orders) in enumerate(ORDERS.items()):
        points = [place(share, found) for share, found in zip(SHARES, _curve(recordings, orders), strict=True)]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{joined}" fill="none" stroke="{COLOURS[name]}" stroke-width="2.5"/>')
        label = top + 14 + 18 * number
        lines.append(f'<text x="{left + width - 8}" y="{label}" text-anchor="end" fill="{COLOURS[name]}">{name}</text>')
    for low in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(low, 1 - low)
        lines.append(f'<text x="{x:.0f}" y="{top + height + 18}" text-anchor="middle">{low:.0%}</text>')
        lines.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{rate * low:.1%}</text>')
        lines.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.0f}" y2="{y:.0f}" stroke="#c3ccc8"/>')
    caption = "Share of the words that was visited, and the word error rate that is left"
    lines.append(f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">{caption}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 24} {top + height + 52}"'
    style = 'font-family="sans-serif" font-size="12" fill="#46504d"'
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([f"{head} {style}>", f"<title>{caption}</title>", background, *lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
