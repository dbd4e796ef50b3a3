"""Does exact mode say what openai-whisper says, and fast mode as well? On real speech, and on what is none."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from whisper.model import Whisper

from benchmarks import wer
from benchmarks.contestants.ours import engine
from benchmarks.settings import Settings
from benchmarks.speech import Sound, clips, joined, pcm
from benchmarks.table import print_table
from benchmarks.whisper_base import whisper_model
from transcription.engine.client import EngineClient
from transcription.engine.modes import transcribe
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Mode, Segment, WindowResult

LONG_SECONDS = 238.0
Theirs = dict[str, Any]


@dataclass(frozen=True)
class Case:
    kind: str
    sound: Sound
    language: str | None = "en"


def measure(settings: Settings) -> None:
    """Print a table of tokens, words and languages, and one of word errors."""
    model, cases = whisper_model(settings.model), [*_spoken(), *_unspoken()]
    theirs = [_theirs(model, case) for case in cases]
    with engine("torch", model=settings.model) as torch, engine(model=settings.model) as ct2:
        exact = [_ours(torch, case, settings.model, "exact") for case in cases]
        int8 = [_ours(ct2, case, settings.model, "exact") for case in cases]
        fast = [_ours(ct2, case, settings.model, "fast") for case in cases]
    kinds = list(dict.fromkeys(case.kind for case in cases))
    rows = [_agreement(kind, cases, exact, theirs) for kind in kinds]
    head = ["audio", "windows", "same tokens", "words", "mean Δ of word times", "largest", "same language"]
    print_table("Exact mode on torch fp32 against openai-whisper 20250625", head, rows)
    ways = {"exact, torch fp32": exact, "exact, on this CPU": int8, "fast, on this CPU": fast}
    said = [at for at, case in enumerate(cases) if case.sound.text]
    expected = [wer.errors(cases[at].sound.text, theirs[at]["text"]) for at in said]
    rows = [["openai-whisper fp32", f"{wer.rate(expected):.2%}", ""]]
    for name, heard in ways.items():
        own = [wer.errors(cases[at].sound.text, _text(heard[at])) for at in said]
        low, high = wer.difference(own, expected)
        rows.append([name, f"{wer.rate(own):.2%}", f"{low:+.2%} to {high:+.2%}"])
    print_table("Word error rate, English", ["", "WER", "difference, 95 % (paired bootstrap)"], rows)
    rows = [
        [case.kind, str(len(theirs[at]["text"].split())), *(str(len(_text(h[at]).split())) for h in ways.values())]
        for at, case in enumerate(cases)
        if not case.sound.text and case.language
    ]
    print_table("Words heard where nobody speaks", ["audio", "openai-whisper", *ways], rows)


def _spoken() -> list[Case]:
    english = clips()
    cases = [Case("clips", Sound(pcm(clip.path), clip.text)) for clip in english]
    cases.append(Case(f"one file of {LONG_SECONDS:.0f} s", joined(english, LONG_SECONDS)))
    narrow = joined(english[:8], 45.0)
    samples = np.frombuffer(narrow.pcm, dtype="<i2")
    # What a telephone leaves: every second sample, each twice.
    cases.append(Case("8 kHz", Sound(np.repeat(samples[::2], 2).astype("<i2").tobytes(), narrow.text)))
    return cases + [Case("language detected", Sound(pcm(path), ""), None) for path in package_clips()]


def _unspoken() -> list[Case]:
    seconds, chance = 45, np.random.default_rng(0)
    time = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * hertz * time * (1 + 0.001 * n)) for n, hertz in enumerate((220, 277, 330, 440)))
    music = 2000 * tones * (1 + np.sin(2 * np.pi * 2 * time)) / 2
    noise = chance.normal(0, 600, len(time))
    sounds = {"silence": np.zeros(len(time)), "tones": music, "noise": noise}
    return [Case(name, Sound(sound.astype("<i2").tobytes(), "")) for name, sound in sounds.items()]


def package_clips() -> list[Path]:
    package = importlib.util.find_spec("pytest_audioeval")
    assert package is not None
    assert package.submodule_search_locations
    return sorted((Path(package.submodule_search_locations[0]) / "samples" / "audio").glob("*/*.wav"))


def _ours(client: EngineClient, case: Case, model: str, mode: Mode) -> list[WindowResult]:
    plain = DecodeOptions(model, skip_non_speech=False, follow_language=False)
    options = replace(plain, language=case.language, word_timestamps=True)
    return list(transcribe(client, [case.sound.pcm], options, mode))


def _theirs(model: Whisper, case: Case) -> Theirs:
    audio = np.frombuffer(case.sound.pcm, dtype="<i2").astype(np.float32) / np.float32(32768.0)
    result: Theirs = model.transcribe(audio, language=case.language, word_timestamps=True, fp16=False)
    return result


def _text(results: Sequence[WindowResult]) -> str:
    return "".join(segment.text for result in results for segment in result.segments).strip()


def _agreement(kind: str, cases: list[Case], ours: list[list[WindowResult]], theirs: list[Theirs]) -> list[str]:
    """A kind's row: windows are told apart by the frame that they begin with."""
    numbers = [at for at, case in enumerate(cases) if case.kind == kind]
    windows: list[bool] = []
    times: list[float] = []
    for at in numbers:
        heard, expected = _by_window(ours[at]), _their_windows(theirs[at])
        for seek in sorted(heard.keys() | expected.keys()):
            mine, other = heard.get(seek, []), expected.get(seek, [])
            windows.append([segment.tokens for segment in mine] == [tuple(segment["tokens"]) for segment in other])
            times += _word_differences(mine, other) if windows[-1] else []
    languages = sum(theirs[at]["language"] == (ours[at][0].language if ours[at] else "") for at in numbers)
    share = f"{sum(windows) / len(windows):.1%}" if windows else "nothing heard"
    mean, largest = (f"{1000 * np.mean(times):.0f} ms", f"{1000 * max(times):.0f} ms") if times else ("–", "–")
    return [kind, str(len(windows)), share, str(len(times) // 2), mean, largest, f"{languages} of {len(numbers)}"]


def _by_window(results: Sequence[WindowResult]) -> dict[int, list[Segment]]:
    windows: dict[int, list[Segment]] = {}
    for segment in (segment for result in results for segment in result.segments):
        windows.setdefault(segment.seek, []).append(segment)
    return windows


def _their_windows(result: Theirs) -> dict[int, list[dict[str, Any]]]:
    windows: dict[int, list[dict[str, Any]]] = {}
    for segment in (segment for segment in result["segments"] if segment["text"].strip()):
        windows.setdefault(segment["seek"], []).append(segment)
    return windows


def _word_differences(ours: Sequence[Segment], theirs: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds between our starts and theirs, and ends, of the words of equal windows."""
    heard = [word for segment in ours for word in segment.words]
    expected = [word for segment in theirs for word in segment["words"]]
    pairs = list(zip(heard, expected, strict=True))
    return [abs(a.start - b["start"]) for a, b in pairs] + [abs(a.end - b["end"]) for a, b in pairs]
