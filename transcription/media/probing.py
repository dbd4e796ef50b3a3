"""Determines a file's format and approximate length: decodes the beginning, and counts the packets of the rest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from transcription.media import ffmpeg, structure
from transcription.media.audio_reader import (
    BYTES_PER_SECOND,
    FAR_AHEAD,
    SAMPLE_RATE,
    SHORTEST_SECONDS,
    AudioReader,
    goes_on,
    is_jump,
)
from transcription.media.errors import DecoderDied, MediaError
from transcription.media.ffmpeg import last_line
from transcription.media.formats import demuxer_by_extension, is_refused, source_options
from transcription.media.heads import Part
from transcription.media.parts import MOST_PARTS
from transcription.media.playback import is_playable
from transcription.media.report import MOST_TRACKS, AudioTrack, is_format_refused, is_guessed

PROBE_SECONDS = 20
PROBE_WALL_SECONDS = 20
PROBE_CPU_SECONDS = 20
LONGEST_SILENCE_SECONDS = 300
"""How far a silent track is decoded before another one is chosen."""

SILENT_PEAK = 32
"""The loudest sample of silence: about -60 dB, above the noise that coding adds to digital silence."""

BLOCK_SAMPLES = 800
STEADY = 2.0
"""How many times louder the loud blocks of a sound in which nobody speaks are than its faint ones, at most."""

MAX_TRACKS_TRIED = 16
LARGEST_EMPTY_FILE = 8192
"""The size in bytes of the header of a recording that was stopped as it began."""

SLACK_SECONDS = 1.0
MOST_PLAYED_CHANNELS = 8
"""By browsers."""

CONTINUING = "setts=ts='if(eq(N,0),DTS,PREV_OUTDTS+if(lt(DTS,PREV_INDTS-1/TB),PREV_OUTDURATION,DTS-PREV_INDTS))'"
"""What `MONOTONIC_TIMESTAMPS` does to audio; ffmpeg itself would squeeze the packets after a step back."""

LONGEST_PACKET_SECONDS = 2.0
LEAST_BYTES_A_SECOND = 50
"""Packets that say they last longer, with fewer bytes, are not believed."""

TIME_BASE = re.compile(rb"^#tb 0: (\d+)/(\d+)")


@dataclass(frozen=True)
class Probe:
    """The result of a probe. `duration` is in seconds and may be a lower bound; the job measures it exactly.

    `pcm` and `warnings` are those of `decode` if the probe decoded the whole track, else `pcm` is empty. `track` is
    the index of the chosen audio track.
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
        """Whether common browsers play the file as it is."""
        plain = len(self.tracks) < 2 and all(track.channels <= MOST_PLAYED_CHANNELS for track in self.tracks)
        return plain and is_playable(self.format, self.codec, self.warnings)


def probe(path: Path, longest: float, budget: float, track: int | None = None, name: str = "") -> Probe:
    """Reads the header, decodes the beginning of an audio track, and counts the packets of the rest.

    `longest` is the allowed length of a recording and `budget` the remaining quota, in seconds. Counting stops beyond
    either, or after PROBE_WALL_SECONDS; then `duration` is a lower bound. The header's length isn't trusted. Without
    `track` the default track is chosen, else the first, unless nobody can be heard in it and somebody in another.
    `name` is the file's name, used only if the content doesn't identify the format. Raises MediaError, among others
    too_long if the audio is longer than `longest` and no_such_track; and DecoderDied if ffmpeg was killed.
    """
    beginning = _read_start(path, longest, track, name)
    reader, duration = beginning.reader, beginning.reader.seconds
    if not reader.is_over:
        duration = max(duration, _count_packets(reader, min(longest, budget) + SLACK_SECONDS))
    if duration > budget:  # it is refused, and the message may use the length in the header
        duration = max(duration, min(reader.header.claimed or 0.0, longest))
    if reader.decoded_seconds < SHORTEST_SECONDS:
        raise MediaError("too_short")
    if duration > longest + SLACK_SECONDS:
        raise MediaError("too_long")
    tracks = reader.header.tracks
    return Probe(
        format=reader.header.container,
        codec=tracks[reader.track].codec,
        duration=duration,
        pcm=beginning.pcm if reader.is_over else b"",
        tracks=tracks,
        track=reader.track,
        warnings=reader.warnings(),
    )


@dataclass
class _TrackStart:
    """The first seconds of a track; `pcm` is empty if there are more than PROBE_SECONDS.

    `levels` are those of its blocks.
    """

    reader: AudioReader
    pcm: bytes = b""
    peak: int = 0
    levels: list[float] = field(default_factory=list)
    error: MediaError | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nobody can be heard: it is silent, or as loud all the time as hiss and hum are."""
        faintest, loudest = np.percentile(self.levels, [10, 95]) if self.levels else (0.0, 0.0)
        return self.peak <= SILENT_PEAK or bool(0 < loudest < STEADY * faintest)

    def hear(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
        self.peak = max(self.peak, int(np.abs(samples).max(initial=0)))
        whole = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES]
        changes = np.diff(whole, prepend=samples[:1]).reshape(-1, BLOCK_SAMPLES)
        self.levels += np.sqrt(np.square(changes).mean(axis=1)).tolist()

    @property
    def can_be_decoded(self) -> bool:
        return self.error is None and self.reader.decoded > 0

    def is_enough(self, choosing: bool) -> bool:
        """Returns whether enough was decoded: more of a silent track if another one may be chosen."""
        waits = choosing and len(self.reader.header.tracks) > 1 and self.is_silent
        return self.reader.decoded_seconds >= (LONGEST_SILENCE_SECONDS if waits else PROBE_SECONDS)


def _read_start(path: Path, longest: float, track: int | None, name: str) -> _TrackStart:
    """Decodes the beginning of the requested track, or of the best one. Raises MediaError and DecoderDied."""
    if track is not None and not 0 <= track < MOST_TRACKS:
        raise MediaError("no_such_track")
    decode_start = partial(_decode_start, path, longest=longest, choosing=track is None)
    source = source_options(path)
    first = decode_start(source, track or 0)
    if (named := demuxer_by_extension(name)) and not _is_known(first, named):
        source = source_options(path, named)
        first = decode_start(source, track or 0)
    _check_is_audio(first, name)
    best = first if track is not None else _choose_audible(first, partial(decode_start, source))
    if best.error is not None:
        raise best.error
    if not best.reader.decoded:
        is_empty = not best.reader.has_failed and path.stat().st_size < LARGEST_EMPTY_FILE
        raise MediaError("too_short" if is_empty else "not_media", last_line(best.reader.report))
    return best


def _is_known(first: _TrackStart, named: str) -> bool:
    """Returns whether the content identified the format, so that the file's extension isn't needed."""
    container, report = first.reader.header.container, first.reader.report
    if is_guessed(report) or container == named:
        return False
    return bool(container) or is_format_refused(report) or is_refused(first.reader.path)


def _check_is_audio(first: _TrackStart, name: str) -> None:
    """Raises MediaError."""
    report, header = first.reader.report, first.reader.header
    if not header.container:
        left_out = is_format_refused(report) or is_refused(first.reader.path, name)
        raise first.error or MediaError("format_not_taken" if left_out else "not_media", last_line(report))
    if not header.tracks:
        raise first.error or MediaError("no_audio" if header.has_streams else "not_media", last_line(report))


def _choose_audible(first: _TrackStart, decode_start: Callable[..., _TrackStart]) -> _TrackStart:
    """Returns the first track that is not silent; else the first that can be decoded.

    Default ones are first, as in players, and those that accompany another one are last among their like.
    """
    until, silent = time.monotonic() + PROBE_WALL_SECONDS / 2, None
    header, parts = first.reader.header, first.reader.parts
    tracks = sorted(header.tracks, key=lambda track: (not track.is_default, track.index in header.asides))
    for track in tracks[:MAX_TRACKS_TRIED]:
        left = max(1.0, until - time.monotonic())
        start = first if track.index == 0 else decode_start(track.index, wall_seconds=left, parts=parts)
        if start.can_be_decoded:
            if not start.is_silent:
                return start
            silent = silent or start
        if time.monotonic() > until:
            break
    return silent or first


def _decode_start(
    path: Path,
    source: list[str],
    track: int,
    *,
    longest: float,
    choosing: bool,
    wall_seconds: float | None = None,
    parts: Sequence[Part] = (),
) -> _TrackStart:
    """Raises DecoderDied. parts: of the file, where they are known."""
    wall_seconds = wall_seconds or PROBE_WALL_SECONDS
    reader = AudioReader(path, source, track, longest + SLACK_SECONDS, PROBE_CPU_SECONDS, wall_seconds)
    reader.parts = list(parts)
    start, pcm = _TrackStart(reader), bytearray()
    try:
        with closing(reader.pcm()) as sound:
            for chunk in sound:
                start.hear(chunk)
                if len(pcm) <= PROBE_SECONDS * BYTES_PER_SECOND:
                    pcm += chunk
                if start.is_enough(choosing):
                    break
    except MediaError as error:
        start.error = error
    if len(pcm) <= PROBE_SECONDS * BYTES_PER_SECOND:
        start.pcm = bytes(pcm)
    return start


def _count_packets(reader: AudioReader, enough: float) -> float:
    """Returns the length in seconds of a track's packets, without decoding them; stops beyond `enough`.

    Returns a lower bound if a limit ends it. Raises DecoderDied.
    """
    if reader.header.container == "aac":  # ffmpeg counts by the first frame's rate, though another may follow
        return min(structure.aac_frames(reader.path, enough)[0], enough + 1 / SAMPLE_RATE)
    counted, until = 0.0, time.monotonic() + PROBE_WALL_SECONDS
    for part in reader.parts[:MOST_PARTS]:
        if counted <= enough and time.monotonic() < until:
            counted = _count_packets_of_part(reader, part, counted, enough)
    return counted


def _count_packets_of_part(reader: AudioReader, part: Part, before: float, enough: float) -> float:
    """Returns the end in seconds of a track's packets in a part of its file, after those of the parts before.

    Returns a lower bound if a limit or PROBE_WALL_SECONDS ends it. Raises DecoderDied.
    """
    output = [
        "-map",
        f"0:a:{reader.track}",
        "-c",
        "copy",
        "-copyinkf",
        "-bsf:a",
        CONTINUING,
        "-f",
        "framecrc",
        "pipe:1",
    ]
    counted = before
    limits = (PROBE_CPU_SECONDS, PROBE_WALL_SECONDS, part)
    has_form = reader.header.tracks[reader.track].channels  # packets without one are not copied
    source = reader.source if has_form else [*reader.source, *FAR_AHEAD]
    with ffmpeg.decoder(reader.path, source, output, *limits) as process:
        for counted in _reached(process.chunks(), reader, before):
            if counted > enough:
                return enough + 1 / SAMPLE_RATE
        process.wait_for_exit()
        limited = process.timed_out or process.exceeded_limit(process.report)
        if process.was_killed(process.report) and not limited:
            raise DecoderDied(f"ffmpeg was ended by a signal: {process.returncode}.")
    return counted


def _reached(chunks: Iterable[bytes], reader: AudioReader, before: float) -> Iterator[float]:
    """Yields, after each chunk of framecrc's lines, where packets end in seconds, on the clock that the reader keeps.

    before: where the part before ended.
    """
    rest, tick, moved, end, is_first = b"", 0.0, before, before, True
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not line.startswith(b"#"):
                _stream, time, _pts, duration, size = line.split(b",")[:5]
                begin = int(time) * tick - reader.origin
                if is_first and goes_on(begin, before):
                    moved = 0.0
                is_first = False
                begin += moved
                if is_jump(begin - end, reader.header.container, is_late=not end):
                    moved, begin = moved + end - begin, end
                longest = max(LONGEST_PACKET_SECONDS, int(size) / LEAST_BYTES_A_SECOND)
                end = max(begin, begin + min(int(duration) * tick, longest))
            elif match := TIME_BASE.match(line):
                tick = int(match[1]) / int(match[2])
        yield end
