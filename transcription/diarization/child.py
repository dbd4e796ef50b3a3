"""The child of `process.DiarizationProcess`: reads sound from a file that grows, and writes messages to stdout.

Its single argument is a JSON object: weights, minimum, maximum, channels, sizes (of the checkpoints, which come first
on stdin), mebibytes, sound (the file descriptor, of 16-bit samples). A byte on stdin says that it is
complete. A message is its kind (one byte), its length (four) and its content.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np

from transcription.diarization import weights
from transcription.diarization.analysis import STEP_SAMPLES, Analysis
from transcription.diarization.hybrid import diarize
from transcription.diarization.sessions import Networks
from transcription.diarization.types import SAMPLE_RATE, DiarizationError, SpeakerCount
from transcription.engine import guard

NICENESS = 10
LOOK_EVERY_SECONDS = 0.05
ALIVE_EVERY_SECONDS = 5.0
CHECKPOINT_STEPS = 48
"""Two minutes of sound."""

PROGRESS, CHECKPOINT, RESULT, FAILURE = b"P", b"C", b"R", b"F"


def main() -> int:
    guard.die_with_parent()
    os.nice(NICENESS)
    options = json.loads(sys.argv[1])
    checkpoints = [_exactly(size) for size in options["sizes"]]
    try:
        networks = Networks(_fetched(Path(options["weights"])))
        guard.limit_memory(options["mebibytes"])
        _run(Analysis(networks, options["channels"], checkpoints), options)
    except DiarizationError as error:
        _send(FAILURE, str(error).encode())
    except MemoryError:
        _send(FAILURE, f"it needs more than {options['mebibytes']} MiB of memory".encode())
    return 0


def _fetched(folder: Path) -> Path:
    """Returns the folder of the models after the networks were fetched where they are missing, with signs of life
    meanwhile. Raises DiarizationError.
    """
    if not weights.is_there(folder):
        done = threading.Event()

        def tell() -> None:
            while not done.wait(ALIVE_EVERY_SECONDS):
                _send(PROGRESS, struct.pack("<d", 0.0))

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            weights.ensure(folder, lambda *_: None)
        finally:
            done.set()
            teller.join()
    return folder


def _run(analysis: Analysis, options: dict[str, int]) -> None:
    bytes_each = 2 * options["channels"]
    read, complete, saved = 0, False, len(analysis.findings.classes)
    while True:
        complete = complete or bool(select.select([0], [], [], 0)[0])
        available = os.fstat(options["sound"]).st_size // bytes_each * bytes_each
        data = os.pread(options["sound"], min(available - read, STEP_SAMPLES * bytes_each), read)
        read += len(data)
        if data:
            samples = np.frombuffer(data, "<i2").astype(np.float32).reshape(-1, options["channels"]) * np.float32(
                2**-15
            )
            analysis.add(samples)
        elif complete:
            break
        else:
            time.sleep(LOOK_EVERY_SECONDS)
        _send(PROGRESS, struct.pack("<d", 0.95 * read / max(available, 1)))
        if (steps := len(analysis.findings.classes)) - saved >= CHECKPOINT_STEPS:
            saved = steps
            _send(CHECKPOINT, analysis.take_checkpoint())
    analysis.end()
    _send(CHECKPOINT, analysis.take_checkpoint())
    count = SpeakerCount(options["minimum"], options["maximum"])
    result = diarize(analysis.findings, count, analysis.received / SAMPLE_RATE)
    turns = [[turn.start, turn.end, turn.speaker] for turn in result.turns]
    _send(RESULT, json.dumps({"turns": turns, "by_channel": result.by_channel}).encode())


def _exactly(size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(0, size - len(parts))
        if not part:
            raise SystemExit(1)
        parts += part
    return bytes(parts)


def _send(kind: bytes, content: bytes) -> None:
    data = memoryview(kind + struct.pack("<I", len(content)) + content)
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    sys.exit(main())
