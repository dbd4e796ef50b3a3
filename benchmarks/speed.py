"""One long recording, and eight at once: ours and others, interleaved."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks import wer
from benchmarks.contestants import Way, engine, faster_whisper, openai_whisper, ours, without_openvino
from benchmarks.speech import Sound, clips, joined
from benchmarks.table import print_table, spread
from benchmarks.whisper_base import base_model

LONG_SECONDS = 238.0
AT_ONCE = 8
CROWD_SECONDS = 30.0
WARM_UP_BYTES = 32_000 * 12


def measure(repeats: int) -> None:
    """Print a table for each of the two."""
    spoken = clips()
    long = joined(spoken, LONG_SECONDS)
    with ExitStack() as stack:
        ours_ct2 = stack.enter_context(engine())
        with without_openvino():
            ours_bare = stack.enter_context(engine())
        ours_torch = stack.enter_context(engine("torch"))
        whisper = openai_whisper(base_model())
        alone: dict[str, Way] = {
            "ours, fast (the default for a long recording)": ours(ours_ct2, "fast"),
            "ours, exact": ours(ours_ct2, "exact"),
            "ours, fast, without OpenVINO": ours(ours_bare, "fast"),
            "ours on torch fp32, exact": ours(ours_torch, "exact"),
            "openai-whisper fp32": whisper,
            "faster-whisper int8": faster_whisper(1, 2),
            "faster-whisper int8, batched 8": faster_whisper(1, 2, batch=8),
            "faster-whisper int8, batched 16": faster_whisper(1, 2, batch=16),
        }
        _compare(f"One recording of {long.seconds:.0f} s", alone, [long], repeats)
        crowd = [
            joined(spoken[at % len(spoken) :] + spoken[: at % len(spoken)], CROWD_SECONDS) for at in range(AT_ONCE)
        ]
        together: dict[str, Way] = {
            "ours, exact (the default)": ours(ours_ct2, "exact"),
            "ours, fast": ours(ours_ct2, "fast"),
            "ours, exact, without OpenVINO": ours(ours_bare, "exact"),
            "openai-whisper fp32": whisper,
            "faster-whisper int8, 2 workers": faster_whisper(2, 1),
            "faster-whisper int8, batched 8, 2 workers": faster_whisper(2, 1, batch=8),
            "faster-whisper int8, batched 8": faster_whisper(1, 2, batch=8),
        }
        seconds = sum(clip.seconds for clip in crowd)
        _compare(f"{AT_ONCE} recordings at once, {seconds:.0f} s in all", together, crowd, repeats)


def _compare(title: str, ways: dict[str, Way], recordings: list[Sound], repeats: int) -> None:
    sounds = [recording.pcm for recording in recordings]
    times: dict[str, list[float]] = {name: [] for name in ways}
    texts: dict[str, list[str]] = {}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            texts[name] = way(sounds if turn else [sounds[0][:WARM_UP_BYTES]])
            # The first turn warms up.
            times[name] += [time.perf_counter() - began] if turn else []
    seconds = sum(recording.seconds for recording in recordings)
    best = min(sorted(own)[len(own) // 2] for name, own in times.items() if not name.startswith("ours"))
    rows = [_row(name, recordings, texts[name], times[name], seconds, best) for name in ways]
    print_table(title, ["", "time", "× real time", "against the best other", "WER"], rows)


def _row(
    name: str, recordings: list[Sound], texts: list[str], times: list[float], seconds: float, best: float
) -> list[str]:
    middle = sorted(times)[len(times) // 2]
    errors = [wer.errors(recording.text, text) for recording, text in zip(recordings, texts, strict=True)]
    return [name, spread(times, digits=2), f"{seconds / middle:.1f}", f"{best / middle:.2f}", f"{wer.rate(errors):.1%}"]
