"""Who speaks when: errors, seconds of CPU and memory of the diarization, on real voices.

    python -m benchmarks.speakers [--minutes 5] [--seeds 4] [--hours 4] [--voices FOLDER ...] [--telephone]

`SPEAKERS` names a folder with clips of readers, `SPEAKER-*.flac`, and cuts of meetings, `*.wav`, with `ami.rttm`.
`--voices` names folders with a folder for each speaker, clips anywhere in it, which are measured instead of them.
Conversations are made of the clips by seed, with pauses, interruptions and room noise. DER is missed, false and
confused speech over all speech, speakers matched for the best result; "±0.25 s" leaves out a quarter of a second
around each change of the reference (pyannote's `collar=0.5`). Words are stretches of 0.3 s of the reference in which
one speaks.
"""

from __future__ import annotations

import argparse
import os
import resource
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.speech import ROOT, pcm
from benchmarks.table import machine, print_table
from transcription.diarization.assign import assign
from transcription.diarization.process import DiarizationProcess
from transcription.diarization.types import SAMPLE_RATE, Diarization, SpeakerCount, Turn

Samples = NDArray[np.int16]

FRAME = 0.01
COLLAR = 0.25
WORD = 0.3
VOICED_DB = -38.0
SUFFIXES = (".flac", ".g722", ".gsm", ".wav")
MOST_CLIPS = 40


@dataclass
class Conversation:
    samples: Samples
    turns: list[Turn]

    @property
    def speakers(self) -> int:
        return len({turn.speaker for turn in self.turns})


@dataclass
class Score:
    """Seconds: speech of all speakers, what is wrong of it, and the same without the collars; words."""

    speech: float = 0.0
    wrong: float = 0.0
    clear_speech: float = 0.0
    clear_wrong: float = 0.0
    words: int = 0
    wrong_words: int = 0

    def __iadd__(self, other: Score) -> Score:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


def conversation(voices: list[list[Samples]], seed: int, minutes: float) -> Conversation:
    """Returns a conversation of these speakers: pieces of 1 to 12 s of their clips, in a random order, with pauses of
    up to a second, an interruption of up to a second in one of six, and white noise 35 dB below.
    """
    random = np.random.default_rng(seed)
    length = int(minutes * 60 * SAMPLE_RATE)
    sound = np.zeros(length + 30 * SAMPLE_RATE)
    turns: list[Turn] = []
    at, last = SAMPLE_RATE // 2, -1
    while at < length:
        speaker = int(random.integers(len(voices)))
        if speaker == last and len(voices) > 1:
            continue
        clip = voices[speaker][int(random.integers(len(voices[speaker])))]
        size = min(len(clip), int(random.uniform(1, 12) * SAMPLE_RATE))
        begin = int(random.integers(len(clip) - size + 1))
        piece = clip[begin : begin + size].astype(np.float64)
        piece *= 3000 / max(np.sqrt(np.mean(piece**2)), 1)
        sound[at : at + size] += piece
        turns += [Turn((at + first) / SAMPLE_RATE, (at + end) / SAMPLE_RATE, speaker) for first, end in _voiced(piece)]
        interrupts = random.random() < 1 / 6
        pause = -random.uniform(0, 1) if interrupts and size > 2 * SAMPLE_RATE else random.uniform(0.05, 1)
        at, last = at + size + int(pause * SAMPLE_RATE), speaker
    sound += random.normal(0, 53, len(sound))
    end = max(turn.end for turn in turns)
    return Conversation(np.clip(sound[: int(end * SAMPLE_RATE)], -32768, 32767).astype(np.int16), turns)


def _voiced(piece: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Returns where the piece is louder than VOICED_DB below its loudest 25 ms; pauses under 0.3 s are speech."""
    size = 400
    power = np.array([np.mean(piece[at : at + size] ** 2) for at in range(0, len(piece), size)])
    loud = power > power.max() * 10 ** (VOICED_DB / 10)
    runs = np.flatnonzero(np.diff(loud, prepend=False, append=False)).reshape(-1, 2) * size
    joined: list[tuple[int, int]] = []
    for first, end in runs.tolist():
        if joined and first - joined[-1][1] < 0.3 * SAMPLE_RATE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return [(first, min(end, len(piece))) for first, end in joined if end - first >= 0.1 * SAMPLE_RATE]


def telephone(samples: Samples) -> Samples:
    """Returns what a telephone hears of it: 300 to 3400 Hz."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return np.clip(np.fft.irfft(spectrum, len(samples)), -32768, 32767).astype(np.int16)


def score(reference: list[Turn], found: tuple[Turn, ...], seconds: float) -> Score:
    frames = int(np.ceil(seconds / FRAME)) + 1
    truth, guess = _active(reference, frames), _active(found, frames)
    mapping = _best(truth.astype(float) @ guess.T.astype(float))
    matched = np.zeros_like(truth)
    for here, there in mapping.items():
        matched[here] = guess[there]
    spoken, said = truth.sum(axis=0), guess.sum(axis=0)
    wrong = np.maximum(spoken, said) - (truth & matched).sum(axis=0)
    clear = np.ones(frames, bool)
    for turn in reference:
        for edge in (turn.start, turn.end):
            clear[max(0, int((edge - COLLAR) / FRAME)) : int((edge + COLLAR) / FRAME)] = False
    alone = [(t * FRAME, t * FRAME + WORD, int(truth[:, t].argmax())) for t in range(0, frames - 30, 30)
             if (spoken[t : t + 30] == 1).all() and len(set(truth[:, t : t + 30].argmax(axis=0))) == 1]  # fmt: skip
    assigned = assign([(start, end) for start, end, _ in alone], found)
    bad = sum(each.speaker is None or mapping.get(who) != each.speaker
              for each, (_, _, who) in zip(assigned, alone, strict=True))  # fmt: skip
    return Score(spoken.sum() * FRAME, wrong.sum() * FRAME, spoken[clear].sum() * FRAME, wrong[clear].sum() * FRAME,
                 len(alone), bad)  # fmt: skip


def _active(turns: list[Turn] | tuple[Turn, ...], frames: int) -> NDArray[np.bool_]:
    active = np.zeros((max((turn.speaker for turn in turns), default=-1) + 1, frames), bool)
    for turn in turns:
        active[turn.speaker, round(turn.start / FRAME) : round(turn.end / FRAME)] = True
    return active


def _best(shared: NDArray[np.float64]) -> dict[int, int]:
    """Returns the match with the most shared time; the first ten or fewer speakers by brute force over subsets."""
    best: dict[int, tuple[float, dict[int, int]]] = {0: (0.0, {})}
    for here in range(shared.shape[0]):
        grown = dict(best)
        for used, (total, chosen) in best.items():
            for there in range(shared.shape[1]):
                if not used >> there & 1:
                    key, value = used | 1 << there, total + shared[here, there]
                    if key not in grown or value > grown[key][0]:
                        grown[key] = (value, chosen | {here: there})
        best = grown
    return max(best.values(), key=lambda each: each[0])[1]


def diarized(samples: Samples, count: SpeakerCount) -> tuple[Diarization, float, float]:
    """Returns the result, the child's seconds of CPU, and its peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = before.ru_utime + before.ru_stime
    channels, peak = samples.ndim, 0.0
    with DiarizationProcess(weights(), count, channels) as process:
        process.write(samples)

        def look(_share: float) -> None:
            nonlocal peak
            peak = max(peak, _peak_of(process._child.pid))

        result = process.finish(look)
        process.new_checkpoints()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - began, peak


def _peak_of(pid: int) -> float:
    """Returns a process's peak memory in MB; 0 once it has ended. What getrusage says of a child counts the memory that
    this process had when it began.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def weights() -> Path:
    return Path(os.environ.get("WHISPER_WEIGHTS") or ROOT / "var" / "models")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--hours", type=float, default=0, help="and a recording of so many hours")
    parser.add_argument("--voices", type=Path, nargs="+", default=[], help="folders with a folder for each speaker")
    parser.add_argument("--telephone", action="store_true", help="300 to 3400 Hz of everything")
    options = parser.parse_args()
    changed = telephone if options.telephone else lambda samples: samples
    folder = Path(os.environ.get("SPEAKERS") or ROOT.parent / "shared" / "speakers")
    groups = {path.name: speakers_in(path) for path in options.voices} or {"readers": readers(folder)}
    rows = []
    for name, voices in groups.items():
        for speakers in range(1, len(voices) + 1):
            made = [
                conversation([voices[i] for i in np.random.default_rng(seed).permutation(len(voices))[:speakers]],
                             seed, options.minutes)
                for seed in range(options.first_seed, options.first_seed + options.seeds)
            ]  # fmt: skip
            made = [Conversation(changed(each.samples), each.turns) for each in made]
            for given, count in (("auto", SpeakerCount()), ("given", SpeakerCount(speakers, speakers))):
                rows.append([f"{speakers} of {name}", given, *_measured(made, count)])
                print(rows[-1], flush=True)
        if options.hours:
            long = conversation(voices, options.first_seed, options.hours * 60)
            rows.append([f"{len(voices)} of {name}, {options.hours:g} h", "auto", *_measured([long], SpeakerCount())])
    if not options.voices:
        rows.append(["meetings, cuts of 30 s", "auto", *_measured(meetings(folder), SpeakerCount())])
    head = ["conversation", "speakers", "DER ±0.25 s", "DER", "wrong words", "count right", "CPU s an hour", "peak MB"]
    print_table(f"{machine()}, onnxruntime {version('onnxruntime')}", head, rows)


def readers(folder: Path) -> list[list[Samples]]:
    clips: dict[str, list[Samples]] = defaultdict(list)
    for path in sorted(folder.glob("*.flac")):
        clips[path.name.split("-")[0]].append(np.frombuffer(pcm(path), np.int16))
    return list(clips.values())


def speakers_in(folder: Path) -> list[list[Samples]]:
    """Returns the MOST_CLIPS largest clips that are anywhere in each speaker's folder."""
    voices = []
    for speaker in sorted(path for path in folder.iterdir() if path.is_dir()):
        clips = [path for path in speaker.rglob("*") if path.suffix in SUFFIXES]
        largest = sorted(clips, key=lambda path: (-path.stat().st_size, path))[:MOST_CLIPS]
        voices.append([np.frombuffer(pcm(path), np.int16) for path in largest])
    return voices


def meetings(folder: Path) -> list[Conversation]:
    turns: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for line in (folder / "ami.rttm").read_text().splitlines():
        parts = line.split()
        turns[parts[1]].append((float(parts[3]), float(parts[3]) + float(parts[4]), parts[7]))
    made = []
    for name, each in sorted(turns.items()):
        if (path := folder / f"{name}.wav").exists():
            names = sorted({who for _, _, who in each})
            made.append(Conversation(np.frombuffer(pcm(path), np.int16),
                                     [Turn(start, end, names.index(who)) for start, end, who in each]))  # fmt: skip
    return made


def _measured(made: list[Conversation], count: SpeakerCount) -> list[str]:
    total, right, cpu, peak, seconds = Score(), 0, 0.0, 0.0, 0.0
    for each in made:
        result, used, memory = diarized(each.samples, count)
        length = len(each.samples) / SAMPLE_RATE
        total += score(each.turns, result.turns, length)
        right += len(result.speakers) == each.speakers
        cpu, peak, seconds = cpu + used, max(peak, memory), seconds + length
    return [
        f"{total.clear_wrong / max(total.clear_speech, 1e-9):.1%}",
        f"{total.wrong / max(total.speech, 1e-9):.1%}",
        f"{total.wrong_words / max(total.words, 1):.1%} of {total.words}",
        f"{right} of {len(made)}",
        f"{cpu / seconds * 3600:.0f}",
        f"{peak:.0f}",
    ]


if __name__ == "__main__":
    main()
