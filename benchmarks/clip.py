"""Short clips through the API of a running service, beside the library in process, clip by clip in turns.

python -m benchmarks.clip URL API_KEY [--turns 3]

`make contestants` installs the library. Each request has sound of its own (a sample more is silent than in the last),
as the service would answer the same content from what it knows. Give URL a service on this machine, idle, as `make
run` starts it.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import wave
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx

from benchmarks.contestants.entries import entries
from benchmarks.contestants.process import Contestant, started
from benchmarks.speech import clips, pcm
from benchmarks.table import machine, print_table, spread
from transcription.engine.machine import cores

LIBRARIES = ("faster-whisper int8", "faster-whisper int8, batched")
CLIPS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    sounds = [pcm(clip.path) for clip in sorted(clips(), key=lambda clip: abs(clip.seconds - 5))[:CLIPS]]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        libraries = [
            stack.enter_context(started(entry, "base", cores(), Path(folder)))
            for entry in entries("base")
            if entry.title in LIBRARIES
        ]
        client = stack.enter_context(
            httpx.Client(base_url=arguments.url, headers={"Authorization": f"Bearer {arguments.key}"}, timeout=60)
        )
        walls: dict[str, list[float]] = {"through the API": [], **{library.title: [] for library in libraries}}
        for turn in range(arguments.turns + 1):
            for sound in sounds:
                changed = sound + bytes(2 * (turn + 1))
                times = {"through the API": _through_the_api(client, changed)}
                times |= {library.title: _in_process(library, changed, Path(folder)) for library in libraries}
                # The first turn warms all up.
                if turn:
                    for title, seconds in times.items():
                        walls[title].append(seconds)
    own = median(walls["through the API"])
    rows = [[title, spread(found, digits=2), f"{own / median(found):.2f}"] for title, found in walls.items()]
    lengths = ", ".join(f"{len(sound) / 32_000:.1f}" for sound in sounds)
    print(f"{machine()}; base, {cores()} cores, {arguments.turns} turns of clips of {lengths} s")
    print_table("A clip", ["", "time", "the API's share of it"], rows)


def _through_the_api(client: httpx.Client, sound: bytes) -> float:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(sound)
    begin = time.perf_counter()
    answer = client.post(
        "/v1/audio/transcriptions",
        files={"file": ("clip.wav", file.getvalue(), "audio/wav")},
        data={"model": "whisper-1", "language": "en"},
    )
    answer.raise_for_status()
    return time.perf_counter() - begin


def _in_process(library: Contestant, sound: bytes, folder: Path) -> float:
    file = folder / "clip.pcm"
    file.write_bytes(sound)
    return library.hear([file]).seconds


if __name__ == "__main__":
    main()
