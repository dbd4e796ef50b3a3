"""Which mode is most right? `python -m benchmarks.modes`

Word errors of exact and fast mode, their difference, and the share of certain speech without text: of read speech,
alone and joined, in a telephone's band and in noise; of other languages, where errors are of characters; and of
conversations, for which `SPEAKERS` names a folder of recordings (only the share: they have no references). Words name
the sets that are measured: `python -m benchmarks.modes languages`. docs/engine.md keeps what was measured.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import wer
from benchmarks.agreement import package_clips
from benchmarks.contestants.ours import engine
from benchmarks.lost_speech import lost_speech
from benchmarks.speech import ROOT, Clip, Sound, clips, joined, pcm
from benchmarks.table import machine, print_table
from transcription.engine.client import EngineClient
from transcription.engine.modes import transcribe
from transcription.engine.types import MODES, SAMPLE_RATE, DecodeOptions, Mode

LENGTHS = (15.0, 33.0, 90.0, 238.0)
OTHER_LANGUAGES = ("es", "fr", "it", "ja", "pl", "pt", "zh")
NOISE_DECIBELS = 10.0
TELEPHONE_HERTZ = (300.0, 3400.0)


@dataclass
class Score:
    """What a mode made of some sounds."""

    errors: list[wer.Errors] = field(default_factory=list)
    lost: float = 0.0
    certain: float = 0.0


def main() -> None:
    print(machine())
    rows = []
    with engine() as client:
        print(client.status().versions)
        for name, sounds, language in sets():
            if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
                continue
            scores = {mode: _score(client, mode, sounds, language) for mode in MODES}
            rows.append(_row(name, sounds, scores))
            print(rows[-1])
    head = ["speech", "minutes", *(f"WER, {mode}" for mode in MODES), "fast less exact, 95 %"]
    print_table("Words that are wrong, and certain speech without text", [*head, *(f"lost, {m}" for m in MODES)], rows)


def _score(client: EngineClient, mode: Mode, sounds: Iterable[Sound], language: str | None) -> Score:
    score = Score()
    for sound in sounds:
        results = list(transcribe(client, [sound.pcm], DecodeOptions("base", language=language), mode))
        segments = [segment for result in results for segment in result.segments]
        if sound.text:
            score.errors.append(errors_of(sound, "".join(segment.text for segment in segments)))
        lost, certain = lost_speech(sound.pcm, [(segment.start, segment.end) for segment in segments])
        score.lost += lost
        score.certain += certain
    return score


def errors_of(sound: Sound, heard: str) -> wer.Errors:
    """Counts words, or characters in other languages, some of which have no spaces between words."""
    if sound.language == "en":
        return wer.errors(sound.text, heard)
    return wer.character_errors(sound.text, wer.spelled(heard, sound.language))


def _row(name: str, sounds: list[Sound], scores: dict[Mode, Score]) -> list[str]:
    said = all(score.errors for score in scores.values())
    rates = [f"{wer.rate(scores[mode].errors):.2%}" if said else "–" for mode in MODES]
    low, high = wer.difference(scores["fast"].errors, scores["exact"].errors) if said else (0.0, 0.0)
    shares = [f"{scores[mode].lost / max(1e-9, scores[mode].certain):.2%}" for mode in MODES]
    minutes = sum(sound.seconds for sound in sounds) / 60
    return [name, f"{minutes:.1f}", *rates, f"{low:+.2%} to {high:+.2%}" if said else "–", *shares]


def sets() -> Iterator[tuple[str, list[Sound], str | None]]:
    english = clips()
    alone = [Sound(pcm(clip.path), clip.text) for clip in english]
    yield "read, clips", alone, "en"
    yield f"in white noise, {NOISE_DECIBELS:.0f} dB", [_noisy(sound) for sound in alone], "en"
    yield "in a telephone's band", [_telephone(sound) for sound in alone], "en"
    for seconds in LENGTHS:
        yield f"read, files of {seconds:.0f} s", _files(english, seconds), "en"
    paths = [path for path in package_clips() if path.parent.name in OTHER_LANGUAGES]
    others = [Sound(pcm(path), path.with_suffix(".txt").read_text(), path.parent.name) for path in paths]
    yield "seven other languages, clips", others, None
    folder = Path(os.environ.get("SPEAKERS") or ROOT.parent / "shared" / "speakers")
    if talk := [Sound(pcm(path), "") for path in sorted(folder.glob("*.wav"))]:
        yield "meetings", talk, None


def _files(parts: list[Clip], seconds: float) -> list[Sound]:
    """Joins the clips in several orders: each file begins with another one."""
    count = max(1, min(len(parts), round(300 / seconds)))
    starts = [at * len(parts) // count for at in range(count)]
    return [joined([*parts[start:], *parts[:start]], seconds) for start in starts]


def _noisy(sound: Sound) -> Sound:
    samples = _samples(sound)
    power = np.sqrt(np.mean(samples**2)) * 10 ** (-NOISE_DECIBELS / 20)
    return _sound(samples + np.random.default_rng(len(samples)).normal(0.0, power, len(samples)), sound.text)


def _telephone(sound: Sound) -> Sound:
    spectrum = np.fft.rfft(_samples(sound))
    hertz = np.fft.rfftfreq(len(sound.pcm) // 2, 1 / SAMPLE_RATE)
    spectrum[(hertz < TELEPHONE_HERTZ[0]) | (hertz > TELEPHONE_HERTZ[1])] = 0
    return _sound(np.fft.irfft(spectrum, len(sound.pcm) // 2), sound.text)


def _samples(sound: Sound) -> NDArray[np.float64]:
    return np.frombuffer(sound.pcm, dtype="<i2").astype(np.float64)


def _sound(samples: NDArray[np.float64], text: str) -> Sound:
    return Sound(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes(), text)


if __name__ == "__main__":
    main()
