"""One long recording, eight at once, a clip, and eight clips at once: ours and others', interleaved."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import wer
from benchmarks.contestants.entries import COMMAND, Entry, entries
from benchmarks.contestants.process import Contestant, ContestantError, Heard, started
from benchmarks.lost_speech import lost_speech
from benchmarks.settings import Settings
from benchmarks.speech import Clip, Sound, clips, joined, pcm
from benchmarks.table import print_table, spread

LONG_SECONDS = 238.0
CROWD_SECONDS = 30.0
CLIP_SECONDS = 5.0
AT_ONCE = 8
CLIP = 2
"""Its place among the tasks."""

WARM_UP_SECONDS = 12


@dataclass(frozen=True)
class Task:
    """Recordings that arrive at once."""

    title: str
    sounds: list[Sound]
    files: list[Path]

    @property
    def seconds(self) -> float:
        return sum(sound.seconds for sound in self.sounds)


@dataclass
class Result:
    """What one contestant made of one task."""

    heard: list[Heard] = field(default_factory=list)
    peak_mib: float = 0.0

    @property
    def walls(self) -> list[float]:
        return [each.seconds for each in self.heard]

    @property
    def processor(self) -> list[float]:
        return [each.processor_seconds for each in self.heard]


Results = dict[str, Result]


def measure(settings: Settings) -> None:
    """Print a table of all, and one for each task. Those who are left out are named, with what would bring them in."""
    _measure(settings, tasks)


def measure_clip(settings: Settings) -> None:
    """Print the table of the clip alone, of which more turns can be had in the same time."""
    _measure(settings, lambda spoken, folder: tasks(spoken, folder)[CLIP : CLIP + 1])


def _measure(settings: Settings, choose: Callable[[list[Clip], Path], list[Task]]) -> None:
    known = entries(settings.model)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = choose(clips(), Path(folder))
        present: list[Contestant] = []
        for entry in known:
            reason = entry.missing() or _join(entry, settings, Path(folder), present, stack)
            if reason:
                print(left_out(entry, reason))
        for contestant in present:
            print(f"{contestant.title}: {contestant.version}")
        results = {task.title: _in_turns(task, present, settings.repeats) for task in work}
    report(work, results, {entry.title for entry in known if entry.is_ours})


def left_out(entry: Entry, reason: str) -> str:
    return f"Left out: {entry.title} ({reason}); {COMMAND} installs the others and converts their weights."


def _join(entry: Entry, settings: Settings, folder: Path, present: list[Contestant], stack: ExitStack) -> str:
    """Start the entry's process among those present; returns why it can't."""
    try:
        present.append(stack.enter_context(started(entry, settings.model, settings.threads, folder)))
    except ContestantError as error:
        return str(error)
    return ""


def tasks(spoken: list[Clip], folder: Path) -> list[Task]:
    """The recordings, and files of them in the folder; the long one comes first, as memory is read after it."""
    turned = [spoken[at % len(spoken) :] + spoken[: at % len(spoken)] for at in range(AT_ONCE)]
    short = sorted(spoken, key=lambda clip: abs(clip.seconds - CLIP_SECONDS))
    words = [Sound(pcm(clip.path), clip.text) for clip in [short[at % len(short)] for at in range(AT_ONCE)]]
    long = joined(spoken, LONG_SECONDS)
    crowd = [joined(parts, CROWD_SECONDS) for parts in turned]
    length = sum(sound.seconds for sound in crowd) / AT_ONCE
    named = {
        f"{long.seconds:.0f} s": [long],
        f"{AT_ONCE} × {length:.0f} s at once": crowd,
        f"{words[0].seconds:.1f} s": words[:1],
        f"{AT_ONCE} clips at once": words,
    }
    return [_task(title, sounds, folder) for title, sounds in named.items()]


def _task(title: str, sounds: list[Sound], folder: Path) -> Task:
    files = []
    for number, sound in enumerate(sounds):
        file = folder / f"{title.replace(' ', '-')}-{number}.pcm"
        file.write_bytes(sound.pcm)
        files.append(file)
    return Task(title, sounds, files)


def _in_turns(task: Task, present: list[Contestant], repeats: int) -> Results:
    """The first turn warms up, with the recordings' beginnings."""
    results = {contestant.title: Result() for contestant in present}
    warm_up = [_beginning(file) for file in task.files]
    for turn in range(repeats + 1):
        for contestant in present:
            heard = contestant.hear(task.files if turn else warm_up)
            if turn:
                results[contestant.title].heard.append(heard)
    for contestant in present:
        results[contestant.title].peak_mib = contestant.peak_mib()
    return results


def _beginning(file: Path) -> Path:
    target = file.with_suffix(".beginning")
    target.write_bytes(file.read_bytes()[: 32_000 * WARM_UP_SECONDS])
    return target


def report(work: list[Task], results: dict[str, Results], ours: set[str]) -> None:
    """Print what was measured; `ours` are titles of contestants."""
    if len(work) > 1:
        _report_all(work, results)
    for task in work:
        _report_one(task, results[task.title], ours)


def _report_all(work: list[Task], results: dict[str, Results]) -> None:
    long, crowd, clip, clips_at_once = work
    rows = []
    for name, first in results[long.title].items():
        parts = [results[task.title][name] for task in work]
        rows.append([
            name,
            f"{_middle(parts[0].walls):.2f} s", _word_errors(long, parts[0]), _lost(long, parts[0]),
            f"{_middle(parts[1].walls):.2f} s", _word_errors(crowd, parts[1]),
            f"{_middle(parts[2].walls):.2f} s", f"{_middle(parts[3].walls):.2f} s",
            f"{first.peak_mib:.0f}",
        ])  # fmt: skip
    head = ["", long.title, "WER", "lost speech", crowd.title, "WER", clip.title, clips_at_once.title, "peak MiB, long"]
    print_table("Medians, in turns", head, rows)


def _report_one(task: Task, results: Results, ours: set[str]) -> None:
    others = [_middle(result.walls) for name, result in results.items() if name not in ours]
    rows = []
    for name, result in results.items():
        middle = _middle(result.walls)
        against = f"{min(others) / middle:.2f}" if others else "–"
        rows.append([
            name, spread(result.walls, digits=2), f"{task.seconds / middle:.1f}", against,
            spread(result.processor, digits=2), _word_errors(task, result), _lost(task, result),
        ])  # fmt: skip
    head = ["", "time", "× real time", "against the best other", "CPU time", "WER", "lost speech"]
    print_table(f"{task.title}, {task.seconds:.0f} s in all", head, rows)


def _word_errors(task: Task, result: Result) -> str:
    texts = result.heard[-1].texts
    counted = [wer.errors(sound.text, text) for sound, text in zip(task.sounds, texts, strict=True)]
    return f"{wer.rate(counted):.1%}"


def _lost(task: Task, result: Result) -> str:
    """The share of the speech that the voice detector is sure of, which no segment covers."""
    pairs = zip(task.sounds, result.heard[-1].recordings, strict=True)
    seconds = [lost_speech(sound.pcm, [(each["start"], each["end"]) for each in heard]) for sound, heard in pairs]
    certain = sum(of for _, of in seconds)
    return f"{sum(lost for lost, _ in seconds) / certain:.1%}" if certain else "–"


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
