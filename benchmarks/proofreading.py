"""How many word errors does a reader find who follows the ranking? `python -m benchmarks.proofreading [FOLDER…]`

A simulated reader visits passages in the order of transcription.transcripts.ranking, once with and once without the
words' figures, in the order of the recording or at random, and corrects whatever is wrong with a word that he is shown;
a missing word is found where a word beside it is shown. Recordings are the clips of each folder one after another, of
40 seconds or more and of one speaker where names begin with his; each is heard plain and in white noise. A folder has a
`refs.txt` with a line `NAME|TEXT` for each clip, or a .txt beside each .wav or .flac; without folders, `SPEECH` names
one (benchmarks/speech.py).

Every second recording is for tuning: `--fit` fits the ranking's coefficients to them and prints these. The others are
reported: the share of the errors that is found, and the word error rate that is left, by the share of the words that
was visited. `--chart FILE` draws that as SVG. docs/proofreading.md keeps what was measured.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import django
import numpy as np
from numpy.typing import NDArray
from whisper.normalizers import EnglishTextNormalizer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from benchmarks.contestants.ours import engine  # noqa: E402 - models need the settings
from benchmarks.speech import Clip, clips, pcm  # noqa: E402
from benchmarks.table import machine, print_table  # noqa: E402
from transcription.engine.client import EngineClient  # noqa: E402
from transcription.engine.modes import transcribe  # noqa: E402
from transcription.engine.types import DecodeOptions, Span  # noqa: E402
from transcription.models import Segment, Transcription  # noqa: E402
from transcription.segments.word_places import placed_words  # noqa: E402
from transcription.transcripts.ranking import Passage, ranked, word_figures  # noqa: E402
from transcription.worker.window_writer import segments_of  # noqa: E402

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PRINTED = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
NOISE_DECIBELS = 10.0
SECONDS = 40.0
SPOKEN_BEFORE = 1.0
"""Seconds that are played before a passage."""

RANDOM_ORDERS = 20
PENALTY = 1.0
STEPS = 50
COLOURS = {
    "worst first": "#0d6b62",
    "worst segment first": "#0b62b8",
    "straight through": "#8a5300",
    "random": "#646e6b",
}

_normalized = EnglishTextNormalizer()
Order = Callable[["Heard"], list[Passage]]


@dataclass(frozen=True)
class Heard:
    """A recording's text by the engine, with where it is wrong.

    words: each word's segment and first character. errors: for each, the words by which it is found, as numbers.
    """

    name: str
    condition: str
    segments: list[Segment]
    gaps: list[Span]
    words: list[tuple[int, int]]
    errors: list[set[int]]
    spoken: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--chart", type=Path)
    arguments = parser.parse_args()
    print(machine())
    parts = [clip for folder in arguments.folders for clip in in_folder(folder)] or clips()
    with engine(model=arguments.model) as client:
        print(client.status().versions)
        recordings = list(_recordings(parts))
        for name, kept in (("Tuning", recordings[::2]), ("Report", recordings[1::2])):
            print(f"{name}: {', '.join(recording[0].path.stem for recording in kept)}")
        tuning = [heard for recording in recordings[::2] for heard in _heard(client, arguments.model, recording)]
        report = [heard for recording in recordings[1::2] for heard in _heard(client, arguments.model, recording)]
    if arguments.fit:
        _print_coefficients(tuning)
    for name, chosen in (("Recordings that were tuned on", tuning), ("Recordings that were kept apart", report)):
        _print_shares(name, chosen)
    _print_left(report)
    if arguments.chart:
        arguments.chart.write_text(_chart([heard for heard in report if heard.condition == "plain"]))


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
    for _, of_speaker in groupby(parts, key=lambda clip: clip.path.stem.split("-")[0]):
        recording: list[Clip] = []
        for clip in of_speaker:
            if sum(each.seconds for each in recording) >= SECONDS:
                yield recording
                recording = []
            recording.append(clip)
        yield recording


def _heard(client: EngineClient, model: str, recording: list[Clip]) -> Iterator[Heard]:
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
        yield _compared(recording[0].path.stem, condition, segments, gaps, text, len(data) / 32_000)


def _compared(name: str, condition: str, segments: list[Segment], gaps: list[Span], text: str, seconds: float) -> Heard:
    """Aligns the words with those of the reference, each normalised alone so that it is known whose they are."""
    places = [(segment.index, first) for segment in segments for first, _, _ in placed_words(segment)]
    written = [word["word"] for segment in segments for _, _, word in placed_words(segment)]
    found = [(token, at) for at, word in enumerate(written) for token in _normalized(word).split()]
    spoken = [token for word in text.split() for token in _normalized(word).split()]
    errors = []
    for kind, place in _edits(spoken, [token for token, _ in found]):
        beside = found[max(0, place - 1) : place + 1] if kind == "missing" else [found[place]]
        errors.append({at for _, at in beside})
    return Heard(name, condition, segments, gaps, places, errors, len(spoken), seconds)


def _edits(expected: Sequence[str], found: Sequence[str]) -> list[tuple[str, int]]:
    """Returns a shortest list of differences: what kind, and before or at which place of `found`."""
    costs = np.zeros((len(expected) + 1, len(found) + 1), dtype=int)
    costs[:, 0], costs[0, :] = range(len(expected) + 1), range(len(found) + 1)
    for i, word in enumerate(expected, 1):
        for j, other in enumerate(found, 1):
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, costs[i - 1, j - 1] + (word != other))
    i, j, edits = len(expected), len(found), []
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (expected[i - 1] != found[j - 1]):
            i, j = i - 1, j - 1
            edits += [("wrong", j)] if expected[i] != found[j] else []
        elif j and costs[i, j] == costs[i, j - 1] + 1:
            j -= 1
            edits.append(("added", j))
        else:
            i -= 1
            edits.append(("missing", j))
    return edits


def _worst_first(heard: Heard) -> list[Passage]:
    return ranked(heard.segments, heard.gaps)


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


def _conditions(recordings: Sequence[Heard]) -> dict[str, list[Heard]]:
    names = dict.fromkeys(heard.condition for heard in recordings)
    return {name: [heard for heard in recordings if heard.condition == name] for name in names}


def _print_shares(title: str, recordings: Sequence[Heard]) -> None:
    rows = []
    for condition, chosen in _conditions(recordings).items():
        errors, spoken = sum(len(heard.errors) for heard in chosen), sum(heard.spoken for heard in chosen)
        for name, orders in ORDERS.items():
            curve = dict(zip(SHARES, _curve(chosen, orders), strict=True))
            rows.append([condition, f"{errors} of {spoken}", name, *(f"{curve[share]:.0%}" for share in PRINTED)])
        played = _played(chosen)
        rows.append([condition, "", "sound played, worst first", *(f"{share:.0%}" for share in played)])
    head = ["sound", "errors", "order", *(f"{share:.0%} of the words" for share in PRINTED)]
    print_table(f"{title}: errors found", head, rows)


def _print_left(recordings: Sequence[Heard]) -> None:
    rows = []
    for condition, chosen in _conditions(recordings).items():
        rate = sum(len(heard.errors) for heard in chosen) / sum(heard.spoken for heard in chosen)
        for name, orders in ORDERS.items():
            curve = dict(zip(SHARES, _curve(chosen, orders), strict=True))
            left = [f"{rate * (1 - curve[share]):.1%}" for share in (0.0, *PRINTED)]
            rows.append([condition, name, *left])
    head = ["sound", "order", *(f"after {share:.0%}" for share in (0.0, *PRINTED))]
    print_table("Recordings that were kept apart: word error rate left", head, rows)


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


def _print_coefficients(recordings: Sequence[Heard]) -> None:
    figures, wrong, segments = list[Sequence[float]](), list[float](), list[Sequence[float]]()
    for heard in recordings:
        faulty, number = set[int]().union(*heard.errors), 0
        for segment in heard.segments:
            for at, _ in enumerate(list(placed_words(segment))):
                figures.append(word_figures(segment, at))
                segments.append((-segment.avg_logprob,))
                wrong.append(float(number in faulty))
                number += 1
    for name, columns in (("WORD_COEFFICIENTS", figures), ("SEGMENT_COEFFICIENTS", segments)):
        print(name, tuple(round(float(b), 2) for b in _fitted(np.array(columns), np.array(wrong))))


def _fitted(figures: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fits a logistic regression by Newton's method, with an L2 penalty on all coefficients but the first."""
    columns = np.column_stack([np.ones(len(figures)), figures])
    penalty = PENALTY * np.diag([0.0, *[1.0] * figures.shape[1]])
    coefficients = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-columns @ coefficients))
        slope = columns.T @ (chances - wrong) + penalty @ coefficients
        curvature = (columns * (chances * (1 - chances))[:, None]).T @ columns + penalty
        coefficients -= np.linalg.solve(curvature, slope)
    return coefficients


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
