"""Media files as samples, for the command line only: services hand the engine PCM."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from transcription.engine.types import SAMPLE_RATE, EngineError

CHUNK_BYTES = 1 << 18
MOST_COMPLAINTS = 1 << 16


def read_media(file: Path) -> Iterator[bytes]:
    """Yields the file's sound as mono s16le at 16 kHz, in chunks. Raises EngineError where ffmpeg finds none."""
    command = [
        find_ffmpeg(), "-nostdin", "-v", "error", "-i", f"file:{file}",
        "-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-",
    ]  # fmt: skip
    # Complaints go to a file: into a pipe that nobody empties meanwhile, a damaged recording's would not fit.
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            if process.stdout is None:
                raise EngineError("ffmpeg has no pipe")
            heard = False
            while chunk := process.stdout.read(CHUNK_BYTES):
                heard = True
                yield chunk
        complaints.seek(0)
        reason = complaints.read(MOST_COMPLAINTS).decode(errors="replace").strip().splitlines()
    if process.returncode or not heard:
        why = reason[-1] if reason else "it has no sound"
        raise EngineError(f"ffmpeg cannot read {file}: {why}; check that it plays and has sound")


def begun(pcm: Iterator[bytes]) -> Iterator[bytes]:
    """Returns the same sound with its first chunk read, so that `read_media` raises now for what is no media."""
    return chain([next(pcm, b"")], pcm)


def find_ffmpeg() -> str:
    """Returns the ffmpeg on the PATH, or else that of imageio-ffmpeg. Raises EngineError without either."""
    if found := shutil.which("ffmpeg"):
        return found
    if importlib.util.find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    raise EngineError("ffmpeg is missing: install it, or `pip install imageio-ffmpeg`")
