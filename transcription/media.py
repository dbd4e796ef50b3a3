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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE
PROBE_SECONDS = 20
PROBE_WALL_SECONDS = 20
PROBE_CPU_SECONDS = 20
SHORTEST_SECONDS = 0.1
ADDRESS_SPACE_KIB = 1_500_000
CHUNK_BYTES = BYTES_PER_SECOND
REPORT_BYTES = 8 * 1024 * 1024
COPY_BYTES = 2 * 1024**3
PROBES_AT_ONCE = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
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
TRACK = re.compile(r"^  Stream #0:\d+(?:\[\w+\])?(?:\((\w+)\))?: Audio: (\w+).*? Hz, ([^,\n]+)(.*)", re.MULTILINE)
STREAM = re.compile(r"^  Stream #0:\d+", re.MULTILINE)
ON_A_SIGNAL = re.compile(r"^(Exiting normally, received signal|Received > \d+ system signals)", re.MULTILINE)
NO_MEMORY = re.compile(r"^\S.*Cannot allocate memory$", re.MULTILINE)
IN_ORDER_ON_A_SIGNAL = (123, 255)
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


class MediaError(Exception):
    """This file can't be transcribed, now or later.

    `code` is one of not_media, no_audio, too_short, too_long, and too_complex where ffmpeg ran into its limits.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code


class DecoderDied(Exception):
    """Somebody else ended ffmpeg before the end of the file: another attempt may get further."""


@dataclass(frozen=True)
class AudioTrack:
    """One audio stream of a file; `index` counts them from 0."""

    index: int
    codec: str
    channels: int
    language: str
    title: str
    is_default: bool


@dataclass(frozen=True)
class Probe:
    """What a file proved to be. `duration` in seconds, as far as a header or the probe's patience tell.

    `pcm` is the whole sound as `decode` gives it where the probe came to the end of it, else empty.
    """

    format: str
    codec: str
    duration: float
    pcm: bytes = field(default=b"", repr=False)
    tracks: tuple[AudioTrack, ...] = ()
    track: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def is_playable(self) -> bool:
        """Whether common browsers play it as it is."""
        return len(self.tracks) < 2 and self.format in PLAYABLE and self.codec in PLAYABLE_CODECS


@cache
def find_ffmpeg() -> str:
    """ffmpeg on PATH, else the one that imageio-ffmpeg ships."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def probe(path: Path, longest: float, budget: float, track: int | None = None) -> Probe:
    """Reads the header and really decodes the beginning; more of it only where no header says how long it is.

    `longest` and `budget` are seconds: what one recording may last, and what there is to spend. Counting stops
    past either, or after PROBE_WALL_SECONDS: then `duration` is a lower bound. Raises MediaError; too_long where
    the audio is longer than `longest`; and DecoderDied where the beginning could not be read by no fault of its own.
    """
    pcm = bytearray()
    seconds, report = _decode_some(path, PROBE_SECONDS, pcm, track=track or 0)
    container, codec = INPUT.search(report), AUDIO.search(report)
    if container is None:
        raise MediaError("not_media", _last_line(report))
    if codec is None:
        raise MediaError("no_audio" if STREAM.search(report) else "not_media", _last_line(report))
    tracks = _tracks(report)
    if track is not None and track >= len(tracks):
        raise MediaError("no_such_track")
    claimed = _claimed_duration(report)
    if seconds >= PROBE_SECONDS - 1 and claimed is None:
        counted, report = _decode_some(path, min(longest, budget) + 1, may_be_cut_off=True)
        seconds = max(seconds, counted)
    duration = seconds if seconds < PROBE_SECONDS - 1 else max(seconds, claimed or 0.0)
    if seconds == 0:
        raise MediaError("not_media", _last_line(report))
    if duration < SHORTEST_SECONDS:
        raise MediaError("too_short")
    if duration > longest:
        raise MediaError("too_long")
    whole = bytes(pcm) if seconds < PROBE_SECONDS - 1 else b""
    warnings = ("other_tracks",) if len(tracks) > 1 else ()
    return Probe(container[1], codec[1], duration, whole, tracks, track or 0, warnings)


def decode(
    path: Path, container: str, longest: float, track: int = 0, on_warning: Callable[[str], None] = lambda _code: None
) -> Iterator[bytes]:
    """16 kHz mono s16le PCM in chunks of at most a second, counted as they stream.

    `container` is the demuxer the probe found; no other is tried. Whoever reads sets the pace, so no clock runs
    but the child's own CPU time. Raises MediaError: too_long past `longest` seconds, not_media where ffmpeg
    gives nothing, too_complex past its CPU time; DecoderDied where it was killed before the end.
    """
    total = 0
    with _ffmpeg(path, ["-f", container], _pcm_output(track), cpu_seconds=60 + longest) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(CHUNK_BYTES):
            total += len(chunk)
            if total > longest * BYTES_PER_SECOND:
                raise MediaError("too_long")
            yield chunk
        _must_have_ended(process)
    if total < SHORTEST_SECONDS * BYTES_PER_SECOND:
        raise MediaError("not_media")


def make_playable(
    path: Path,
    container: str,
    target: Path,
    longest: float,
    on_progress: Callable[[], None] = lambda: None,
    track: int = 0,
) -> None:
    """An AAC copy for browsers that can't play the original. Raises MediaError and DecoderDied.

    `on_progress` is called as the copy grows, about twice a second.
    """
    output = [
        "-map",
        f"0:a:{track}",
        "-t",
        str(longest),
        "-c:a",
        "aac",
        "-b:a",
        "96k",
        "-movflags",
        "+faststart",
        "-f",
        "mp4",
    ]
    places = ["-progress", "pipe:1", "-y", f"file:{target}"]
    with _ffmpeg(path, ["-f", container], output + places, cpu_seconds=60 + longest, writes=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"progress="):
                on_progress()
        _must_have_ended(process)
    if process.returncode != 0:
        raise MediaError("not_media")


class _Ffmpeg(subprocess.Popen[bytes]):
    """One ffmpeg in a process group of its own; its status says who ended it, once `ended` has returned."""

    cpu_limit = 0.0
    cpu_seconds = 0.0
    out_of_time = False

    def ended(self) -> int:
        """Waits for its end: the exit status, negative for a signal."""
        if self.returncode is None:
            _pid, status, used = os.wait4(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = used.ru_utime + used.ru_stime
        return self.returncode

    def kill_group(self) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def end_its_time(self) -> None:
        self.out_of_time = True
        self.kill_group()

    def ran_into_a_limit(self, report: str = "") -> bool:
        """Of CPU time, of memory or of what it may write: the next attempt would, too.

        A clock that ran out while it hardly worked is none: the machine was too busy.
        """
        if self.returncode == 0:
            return False
        worked = self.cpu_seconds >= self.cpu_limit * (0.5 if self.out_of_time else 0.95)
        return worked or -self.returncode in (signal.SIGXCPU, signal.SIGXFSZ) or bool(NO_MEMORY.search(report))

    def was_stopped(self, report: str | None = None) -> bool:
        """By a signal from outside, on which it may also have ended in order; `report` is what it said, if it could."""
        if self.returncode in IN_ORDER_ON_A_SIGNAL:
            return report is None or bool(ON_A_SIGNAL.search(report))
        return self.returncode < 0 and -self.returncode not in CRASHES


def _must_have_ended(process: _Ffmpeg) -> None:
    """A damaged file ends ffmpeg with a message; a signal ends it in the middle of a good one.

    Raises MediaError and DecoderDied.
    """
    status = process.ended()
    if process.ran_into_a_limit():
        raise MediaError("too_complex", f"ffmpeg took {process.cpu_seconds:.0f} s.")
    if status < 0 or process.was_stopped():
        raise DecoderDied(f"ffmpeg was ended by a signal: {status}.")


def _decode_some(
    path: Path, seconds: float, pcm: bytearray | None = None, may_be_cut_off: bool = False, track: int = 0
) -> tuple[float, str]:
    """Decoded seconds, at most the wanted ones, and what ffmpeg said. `pcm` is filled with the sound itself.

    Raises MediaError where its limits, DecoderDied where somebody else ended it; with `may_be_cut_off`, its limits
    and PROBE_WALL_SECONDS only end the count.
    """
    total = 0
    with PROBES_AT_ONCE, tempfile.TemporaryFile() as errors:
        output = ["-t", str(seconds), *_pcm_output(track)]
        with _ffmpeg(path, [], output, PROBE_CPU_SECONDS, PROBE_WALL_SECONDS, errors) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(CHUNK_BYTES):
                total += len(chunk)
                if pcm is not None:
                    pcm += chunk
            if process.ended() < 0 and pcm is not None:
                pcm.clear()
        errors.seek(0)
        report = errors.read(REPORT_BYTES).decode("utf-8", "replace")
    decoded = total / BYTES_PER_SECOND
    if decoded < seconds - 1:
        _must_not_be_cut_off(process, report, may_be_cut_off)
    return decoded, report


def _must_not_be_cut_off(process: _Ffmpeg, report: str, by_limits: bool) -> None:
    """Unless `by_limits`. Raises MediaError and DecoderDied."""
    if process.ran_into_a_limit(report):
        if not by_limits:
            raise MediaError("too_complex", _last_line(report))
    elif process.was_stopped(report) and not (by_limits and process.out_of_time):
        raise DecoderDied(f"ffmpeg was ended by a signal: {process.returncode}.")


def _tracks(report: str) -> tuple[AudioTrack, ...]:
    channels = {"mono": 1, "stereo": 2}
    return tuple(
        AudioTrack(index, found[2], channels.get(found[3], 0), found[1] or "", "", "(default)" in found[4])
        for index, found in enumerate(TRACK.finditer(report.split("\nOutput #0")[0]))
    )


def _pcm_output(track: int) -> list[str]:
    return ["-map", f"0:a:{track}", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "pipe:1"]


@contextmanager
def _ffmpeg(
    path: Path,
    source: list[str],
    output: list[str],
    cpu_seconds: float,
    wall_seconds: float | None = None,
    errors: IO[bytes] | None = None,
    writes: bool = False,
) -> Iterator[_Ffmpeg]:
    """A running ffmpeg; killed with its process group at the end of the block or of its wall clock."""
    allowed = ["-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS]
    quiet = ["-hide_banner", "-nostdin", "-nostats", "-v", "info" if errors else "error", "-threads", "1"]
    plain = ["-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]
    command = [find_ffmpeg(), *quiet, *allowed, *source, "-i", f"file:{path}", *plain, *output]
    process = _Ffmpeg(
        [*_limits(cpu_seconds, writes), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors or subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        start_new_session=True,
    )
    process.cpu_limit = int(cpu_seconds)
    try:
        with _killed_after(process, wall_seconds):
            yield process
    finally:
        if process.stdout:
            process.stdout.close()
        if process.poll() is None:
            _end_soon(process)


@contextmanager
def _killed_after(process: _Ffmpeg, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    alarm = threading.Timer(seconds, process.end_its_time)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _end_soon(process: _Ffmpeg) -> None:
    """A child whose reader is gone ends by itself, or is made to."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        process.kill_group()
        process.wait()


def _limits(cpu_seconds: float, writes: bool) -> list[str]:
    """A shell that limits itself and becomes the command: no code runs between fork and exec in our threads."""
    written = (COPY_BYTES if writes else REPORT_BYTES) // 512
    limits = f"ulimit -v {ADDRESS_SPACE_KIB}; ulimit -t {int(cpu_seconds)}; ulimit -f {written}; ulimit -n 32; "
    return [*without_network(), "/bin/sh", "-c", limits + 'ulimit -c 0; exec "$0" "$@"']


@cache
def without_network() -> tuple[str, ...]:
    """A prefix that takes the network away, where this system lets us."""
    prefix = ("unshare", "--user", "--net")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ()
    return prefix


def _claimed_duration(report: str) -> float | None:
    found = DURATION.search(report)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _last_line(report: str) -> str:
    lines = [line for line in report.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
