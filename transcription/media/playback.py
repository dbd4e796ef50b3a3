"""Makes a copy of a recording's audio for browsers if the original would not play, or not with the text's times."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from itertools import chain
from pathlib import Path

from transcription.media import ffmpeg
from transcription.media.audio_reader import SAMPLE_BYTES, AudioReader
from transcription.media.decoding import clipped
from transcription.media.errors import MediaError
from transcription.media.ffmpeg import Ffmpeg
from transcription.media.formats import source_options

PLAYABLE = {"mp3", "wav", "flac", "ogg", "mov,mp4,m4a,3gp,3g2,mj2", "aac", "matroska,webm"}
PLAYABLE_CODECS = {"mp3", "aac", "flac", "opus", "vorbis", "pcm_s16le", "pcm_u8", "pcm_f32le", "pcm_s24le"}
PLAYED_OTHERWISE = {"gaps", "incomplete", "mended", "other_tracks"}
"""Warnings about files that browsers play differently: they skip gaps, trust the header and choose a track."""

RATE = 44_100


def is_playable(container: str, codec: str, warnings: Collection[str] = ()) -> bool:
    """Returns whether common browsers play a file as it is, with the times of its text."""
    return PLAYED_OTHERWISE.isdisjoint(warnings) and container in PLAYABLE and codec in PLAYABLE_CODECS


def make_playable(
    path: Path,
    container: str,
    target: Path,
    longest: float,
    on_progress: Callable[[], None] = lambda: None,
    track: int = 0,
    silent: Sequence[Sequence[float]] = (),
    excerpt: tuple[float, float] | None = None,
) -> None:
    """Writes an AAC copy of an audio track with the times of `decode`. Raises MediaError and DecoderDied.

    It is silent in the seconds of `silent`, from and to. Of an `excerpt` nothing else is in it, and its first second is
    the copy's. `on_progress` is called for each second of audio.
    """
    cpu_seconds = 60 + longest
    source = source_options(path, container)
    reader = AudioReader(path, source, track, longest, cpu_seconds, rate=RATE, stereo=True)
    sound = reader.pcm()
    if not (first := next(sound, b"")):
        raise MediaError("not_media")
    form = ["-f", "s16le", "-ar", str(RATE), "-ac", str(reader.channels)]
    output = ["-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", "-f", "mp4"]
    whole = _silenced(first, sound, silent, reader.channels)
    heard = clipped(whole, *excerpt, on_progress, RATE, reader.channels) if excerpt else whole
    with ffmpeg.encoder(form, output, target, cpu_seconds) as encoder:
        _feed(encoder, heard, on_progress)
        encoder.check_exit()
    if encoder.returncode != 0:
        raise MediaError("not_media")


def _silenced(
    first: bytes, rest: Iterator[bytes], silent: Sequence[Sequence[float]], channels: int
) -> Generator[bytes]:
    """Yields s16le of RATE with zeros from the samples at, to those after, the seconds of `silent`."""
    frame = SAMPLE_BYTES * channels
    ranges = [(math.floor(one[0] * RATE) * frame, math.ceil(one[1] * RATE) * frame) for one in silent]
    at = 0
    for chunk in chain([first], rest):
        quiet = bytearray(chunk)
        for begins, ends in ranges:
            begin, end = max(0, begins - at), min(len(chunk), ends - at)
            if begin < end:
                quiet[begin:end] = bytes(end - begin)
        yield bytes(quiet)
        at += len(chunk)


def _feed(encoder: Ffmpeg, sound: Iterator[bytes], on_progress: Callable[[], None]) -> None:
    assert encoder.stdin is not None
    try:
        for chunk in sound:
            encoder.stdin.write(chunk)
            on_progress()
        encoder.stdin.close()
    except BrokenPipeError:  # its exit status says why
        return
