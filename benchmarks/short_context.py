"""Short contexts beside full ones: `python -m benchmarks.short_context [PART…] [--cuts N] [--seed N] [--prompt TEXT]`.

PART is contexts or languages; both unless given. `benchmarks.engine speed` has clips beside other systems.

Clips of 1 to 15 s are cut at random places, in mid-word too, out of reference speech in a row; each is heard as it is,
with white noise 10 dB below it, and in the telephone's band. What is said in a cut is what words of the reference have
their middle in it, timed by aligning the reference with base. Each clip is heard in full context and in a short one, in
turns, by one engine in fast mode, as the product hears it. English is from benchmarks.speech (`SPEECH` names a folder
of your own), other languages are the clips of pytest-audioeval, in which characters are counted instead of words.

CPU time is that of the engine's process. "heard twice" counts clips whose short context was in doubt. The language is
given; `languages` tells how often it is found from a short context without.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import wer
from benchmarks.agreement import package_clips
from benchmarks.contestants.entries import model_folder
from benchmarks.contestants.ours import engine
from benchmarks.speech import clips, pcm
from benchmarks.table import machine, print_table
from transcription.engine.backend import Work
from transcription.engine.client import EngineClient
from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend
from transcription.engine.ctranslate2_backend.model import Ctranslate2Model
from transcription.engine.machine import sleep_between_parallel_work
from transcription.engine.modes import transcribe
from transcription.engine.short_context import LONGEST_SECONDS, SetContext, shortened
from transcription.engine.types import SAMPLE_RATE, WINDOW_FRAMES, DecodeOptions, Window

Samples = NDArray[np.int16]

SHORTEST_SECONDS = 1.0
PAUSE = np.zeros(SAMPLE_RATE // 4, dtype=np.int16)
NOISE_DECIBELS = 10.0
TELEPHONE_HERTZ = (300.0, 3400.0)


@dataclass(frozen=True)
class Cut:
    language: str
    samples: Samples
    text: str


@dataclass
class Heard:
    """What a way of hearing made of some cuts, in order."""

    errors: list[wer.Errors]
    cpu_seconds: float = 0.0
    twice: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--cuts", type=int, default=60, help="of English; of each other language a sixth")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompt", default="", help="before every clip")
    parser.add_argument("--english", action="store_true", help="no other languages")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    sleep_between_parallel_work()
    print(f"{machine()}, base, {arguments.cuts} cuts, seed {arguments.seed}, prompt {arguments.prompt!r}")
    cuts = list(_cuts(arguments.cuts, arguments.seed, arguments.english))
    with engine() as client:
        print(client.status().versions["base"])
        for name in arguments.parts or PARTS:
            PARTS[name](client, cuts, arguments.prompt)


def _contexts(client: EngineClient, cuts: Sequence[Cut], prompt: str) -> None:
    rows = [
        _row(client, language, sound, [replace(cut, samples=change(cut.samples)) for cut in some], prompt)
        for language, some in _by_language(cuts)
        for sound, change in SOUNDS.items()
    ]
    head = ["", "sound", "clips", "length", "full", "short", "short less full, 95 %", "heard twice", "CPU time"]
    print_table("Errors in full and in short context", head, rows)


def _languages(client: EngineClient, cuts: Sequence[Cut], _prompt: str) -> None:
    rows = [_found(client, *own) for own in _by_language(cuts)]
    print_table("Languages found, of so many clips", ["", "clips", "full", "short"], rows)


PARTS: dict[str, Callable[[EngineClient, Sequence[Cut], str], None]] = {
    "contexts": _contexts,
    "languages": _languages,
}


def _row(client: EngineClient, language: str, sound: str, cuts: Sequence[Cut], prompt: str) -> list[str]:
    options = DecodeOptions("base", language=language, prompt=prompt)
    full, short = Heard([]), Heard([])
    for cut in cuts:
        for heard, set_context in ((full, _whole), (short, _short)):
            _hear(client, cut, options, heard, set_context)
    low, high = wer.difference(short.errors, full.errors)
    return [
        language,
        sound,
        str(len(cuts)),
        str(sum(errors.words for errors in full.errors)),
        f"{wer.rate(full.errors):.1%}",
        f"{wer.rate(short.errors):.1%}",
        f"{low:+.1%} to {high:+.1%}",
        str(short.twice),
        f"{short.cpu_seconds / full.cpu_seconds:.2f}",
    ]


def _hear(
    client: EngineClient,
    cut: Cut,
    options: DecodeOptions,
    heard: Heard,
    set_context: SetContext,
) -> None:
    before = cpu_seconds(client)
    results = list(transcribe(client, [cut.samples.tobytes()], options, "fast", set_context=set_context))
    heard.cpu_seconds += cpu_seconds(client) - before
    text = "".join(segment.text for result in results for segment in result.segments)
    heard.errors.append(_errors(cut, text))
    heard.twice += any(result.encoder_frames == WINDOW_FRAMES for result in results)


def _errors(cut: Cut, text: str) -> wer.Errors:
    if cut.language == "en":
        return wer.errors(cut.text, text)
    return wer.character_errors(cut.text, text)


def _found(client: EngineClient, language: str, cuts: Sequence[Cut]) -> list[str]:
    ways: tuple[SetContext, ...] = (_whole, _short)
    options = DecodeOptions("base", follow_language=False)
    right = [sum(_language(client, cut, options, set_context) == language for cut in cuts) for set_context in ways]
    return [language, str(len(cuts)), *map(str, right)]


def _language(client: EngineClient, cut: Cut, options: DecodeOptions, set_context: SetContext) -> str:
    results = transcribe(client, [cut.samples.tobytes()], options, "fast", set_context=set_context)
    return next((result.language for result in results), "")


def _whole(window: Window, _options: DecodeOptions) -> Window:
    return window


def _short(window: Window, _options: DecodeOptions) -> Window:
    return window if window.is_doubted else shortened(window)


def cpu_seconds(client: EngineClient) -> float:
    """Returns the processor's time that the engine has taken since its start. Linux only."""
    stat = Path(f"/proc/{client.status().pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[11:13])) / os.sysconf("SC_CLK_TCK")


def _cuts(count: int, seed: int, only_english: bool) -> Iterator[Cut]:
    model = Ctranslate2Backend("cpu", 0).open("base", model_folder("base"))
    spoken = {"en": [(pcm(clip.path), clip.text) for clip in clips()]}
    for path in package_clips():
        if path.parent.name != "en" and not only_english:
            text = path.with_suffix(".txt").read_text()
            spoken.setdefault(path.parent.name, []).append((pcm(path), text))
    for language, recordings in spoken.items():
        chance = np.random.default_rng([seed, len(language), *language.encode()])
        words = [_timed(model, language, np.frombuffer(sound, dtype="<i2"), text) for sound, text in recordings]
        yield from (_cut(language, words, chance) for _ in range(count if language == "en" else max(1, count // 6)))
    model.close()


def _timed(
    model: Ctranslate2Model, language: str, samples: Samples, text: str
) -> tuple[Samples, list[tuple[float, str]]]:
    """Returns samples with the middle and the spelling of each word of their text, as base's alignment has it."""
    window = Window(0, 0.0, len(samples) / SAMPLE_RATE, samples)
    work = Work(window, DecodeOptions("base"), language)
    model.encode([work])
    (timings,) = model.align([work], [model.vocabulary.encode(" " + text.strip())])
    return samples, [((timing.start + timing.end) / 2, timing.word) for timing in timings]


def _cut(
    language: str, recordings: Sequence[tuple[Samples, list[tuple[float, str]]]], chance: np.random.Generator
) -> Cut:
    """Returns a cut at a random place out of recordings in random order, with a quarter of a second between them."""
    length = chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
    parts: list[Samples] = []
    words: list[tuple[float, str]] = []
    seconds = 0.0
    order = itertools.chain.from_iterable(iter(lambda: list(chance.permutation(len(recordings))), None))
    while seconds < 2 * length:
        samples, spoken = recordings[next(order)]
        words += [(seconds + at, word) for at, word in spoken]
        parts += [samples, PAUSE]
        seconds += (len(samples) + len(PAUSE)) / SAMPLE_RATE
    whole, start = np.concatenate(parts), chance.uniform(0.0, seconds - length)
    begin = round(start * SAMPLE_RATE)
    text = "".join(word for at, word in words if start <= at < start + length)
    return Cut(language, whole[begin : begin + round(length * SAMPLE_RATE)], text)


def _noisy(samples: Samples) -> Samples:
    """Returns samples with white noise NOISE_DECIBELS below them."""
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) * 10 ** (-NOISE_DECIBELS / 20)
    noise = np.random.default_rng(len(samples)).normal(0.0, level, len(samples))
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


def _telephoned(samples: Samples) -> Samples:
    """Returns samples without what a telephone leaves out."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < TELEPHONE_HERTZ[0]) | (hertz > TELEPHONE_HERTZ[1])] = 0.0
    return np.clip(np.fft.irfft(spectrum, len(samples)), -32768, 32767).astype(np.int16)


SOUNDS: dict[str, Callable[[Samples], Samples]] = {
    "as it is": lambda samples: samples,
    "white noise, 10 dB": _noisy,
    "telephone": _telephoned,
}


def _by_language(cuts: Sequence[Cut]) -> list[tuple[str, list[Cut]]]:
    languages = dict.fromkeys(cut.language for cut in cuts)
    return [(language, [cut for cut in cuts if cut.language == language]) for language in languages]


if __name__ == "__main__":
    main()
