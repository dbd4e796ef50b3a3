"""The only door to ffmpeg: hostile media is probed and decoded in a small, limited process.

Limits: address space, CPU, wall clock, open files, no files written, its own process group, no
protocol but `file:` and `pipe:`, demuxers from a list without playlists, and, where the system allows it, no network.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE
PROBE_SECONDS = 20
PROBE_WALL_SECONDS = 20
SHORTEST_SECONDS = 0.1
ADDRESS_SPACE_KIB = 1_500_000
CHUNK_BYTES = BYTES_PER_SECOND
ERROR_BYTES = 64 * 1024
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpeg,mpegts,ogg,tta,voc,w64,wav,wv"
)
PLAYABLE = {"mp3", "wav", "flac", "ogg", "mov,mp4,m4a,3gp,3g2,mj2", "aac", "matroska,webm"}
PLAYABLE_CODECS = {"mp3", "aac", "flac", "opus", "vorbis", "pcm_s16le", "pcm_u8", "pcm_f32le", "pcm_s24le"}

# Anchored at ffmpeg's own indentation: metadata of the file, which may say anything, is indented further.
DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
INPUT = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
AUDIO = re.compile(r"^  Stream #0:\d+\S*: Audio: (\w+)", re.MULTILINE)
STREAM = re.compile(r"^  Stream #0:\d+", re.MULTILINE)


class MediaError(Exception):
    """This file can't be transcribed, now or later. `code` is one of not_media, no_audio, too_short, too_long."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code


@dataclass(frozen=True)
class Probe:
    """What a file proved to be. `duration` in seconds; `exact` when it was counted, not read from a header."""

    format: str
    codec: str
    duration: float
    exact: bool

    @property
    def is_playable(self) -> bool:
        """Whether common browsers play it as it is."""
        return self.format in PLAYABLE and self.codec in PLAYABLE_CODECS


@cache
def find_ffmpeg() -> str:
    """ffmpeg on PATH, else the one that imageio-ffmpeg ships."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def probe(path: Path, longest: float) -> Probe:
    """Reads the header and really decodes the beginning; all of it where no header says how long it is.

    Raises MediaError; too_long where the audio is longer than `longest` seconds.
    """
    seconds, report = _decode_some(path, PROBE_SECONDS)
    container, codec = INPUT.search(report), AUDIO.search(report)
    if container is None:
        raise MediaError("not_media", _last_line(report))
    if codec is None:
        raise MediaError("no_audio" if STREAM.search(report) else "not_media", _last_line(report))
    claimed = _claimed_duration(report)
    exact = seconds < PROBE_SECONDS - 1
    if not exact and claimed is None:
        seconds, report = _decode_some(path, longest + 1)
        exact = True
    duration = seconds if exact else max(seconds, claimed or 0.0)
    if seconds == 0:
        raise MediaError("not_media", _last_line(report))
    if duration < SHORTEST_SECONDS:
        raise MediaError("too_short")
    if duration > longest:
        raise MediaError("too_long")
    return Probe(container[1], codec[1], duration, exact)


def decode(path: Path, container: str, longest: float) -> Iterator[bytes]:
    """16 kHz mono s16le PCM in chunks of at most a second, counted as they stream.

    `container` is the demuxer the probe found; no other is tried. Raises MediaError: too_long past
    `longest` seconds, not_media where ffmpeg gives nothing.
    """
    total = 0
    with _ffmpeg(path, ["-f", container], _pcm_output(), wall_seconds=60 + longest) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(CHUNK_BYTES):
            total += len(chunk)
            if total > longest * BYTES_PER_SECOND:
                raise MediaError("too_long")
            yield chunk
    if total < SHORTEST_SECONDS * BYTES_PER_SECOND:
        raise MediaError("not_media")


def make_playable(path: Path, container: str, target: Path, longest: float) -> None:
    """An AAC copy for browsers that can't play the original. Raises MediaError."""
    output = ["-map", "0:a:0", "-t", str(longest), "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", "-f", "mp4"]
    limits = ["-y", f"file:{target}"]
    with _ffmpeg(path, ["-f", container], output + limits, wall_seconds=60 + longest, writes=True) as process:
        process.wait()
    if process.returncode != 0:
        raise MediaError("not_media")


def _decode_some(path: Path, seconds: float) -> tuple[float, str]:
    """Decoded seconds, at most the wanted ones, and what ffmpeg said."""
    total = 0
    with tempfile.TemporaryFile() as errors:
        output = ["-t", str(seconds), *_pcm_output()]
        with _ffmpeg(path, [], output, PROBE_WALL_SECONDS + seconds / 20, errors=errors) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(CHUNK_BYTES):
                total += len(chunk)
        errors.seek(0)
        return total / BYTES_PER_SECOND, errors.read(ERROR_BYTES).decode("utf-8", "replace")


def _pcm_output() -> list[str]:
    return ["-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "pipe:1"]


@contextmanager
def _ffmpeg(
    path: Path,
    source: list[str],
    output: list[str],
    wall_seconds: float,
    errors: IO[bytes] | None = None,
    writes: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running ffmpeg; killed with its process group at the end of the block or of its wall clock."""
    allowed = ["-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS]
    quiet = ["-hide_banner", "-nostdin", "-nostats", "-v", "info" if errors else "error", "-threads", "1"]
    command = [find_ffmpeg(), *quiet, *allowed, *source, "-i", f"file:{path}", "-vn", "-sn", "-dn", *output]
    process = subprocess.Popen(
        [*_limits(wall_seconds, writes), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors or subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        start_new_session=True,
    )
    alarm = threading.Timer(wall_seconds, _kill_group, [process])
    alarm.daemon = True
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        if process.stdout:
            process.stdout.close()
        if process.poll() is None:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                _kill_group(process)
        process.wait()


def _limits(wall_seconds: float, writes: bool) -> list[str]:
    """A shell that limits itself and becomes the command: no code runs between fork and exec in our threads."""
    written = 4 * 1024 * 1024 if writes else ERROR_BYTES // 512
    limits = f"ulimit -v {ADDRESS_SPACE_KIB}; ulimit -t {int(wall_seconds)}; ulimit -f {written}; ulimit -n 32; "
    return [*_without_network(), "/bin/sh", "-c", limits + 'ulimit -c 0; exec "$0" "$@"']


@cache
def _without_network() -> tuple[str, ...]:
    """A prefix that takes the network away, where this system lets us."""
    prefix = ("unshare", "--user", "--net")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ()
    return prefix


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _claimed_duration(report: str) -> float | None:
    found = DURATION.search(report)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _last_line(report: str) -> str:
    lines = [line for line in report.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
