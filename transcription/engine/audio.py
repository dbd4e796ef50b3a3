"""Media files as samples, for the command line only: services hand the engine PCM."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from transcription.engine.types import SAMPLE_RATE, EngineError

CHUNK_BYTES = 1 << 18


def read_media(file: Path) -> Iterator[bytes]:
    """The file's sound as mono s16le at 16 kHz, in chunks; EngineError if ffmpeg can't read it."""
    command = [
        find_ffmpeg(), "-nostdin", "-v", "error", "-i", f"file:{file}",
        "-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if process.stdout is None or process.stderr is None:
            raise EngineError("ffmpeg has no pipes")
        while chunk := process.stdout.read(CHUNK_BYTES):
            yield chunk
        complaint = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise EngineError(f"ffmpeg cannot read {file}: {complaint.splitlines()[-1:]}")


def find_ffmpeg() -> str:
    """ffmpeg on the PATH, or the one of imageio-ffmpeg; EngineError without either."""
    if found := shutil.which("ffmpeg"):
        return found
    if importlib.util.find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    raise EngineError("ffmpeg is missing: install it, or `pip install imageio-ffmpeg`")
