"""Decodes an audio track."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

from transcription.media.audio_reader import SAMPLE_BYTES, SAMPLE_RATE, SHORTEST_SECONDS, AudioReader, Listener
from transcription.media.errors import MediaError
from transcription.media.formats import source_options


def decode(
    path: Path,
    container: str,
    longest: float,
    track: int = 0,
    on_warning: Callable[[str], None] = lambda _code: None,
    listener: Listener | None = None,
) -> Generator[bytes]:
    """Yields an audio track as 16 kHz mono s16le PCM on the media's clock, in chunks of about a second.

    `container` is the demuxer that the probe found. The consumer sets the pace, so only ffmpeg's CPU time is limited.
    `on_warning` is called at the end with each code of `AudioReader.warnings`; `listener` hears two channels apart.
    Raises MediaError: too_long after `longest` seconds, not_media if ffmpeg outputs nothing, no_such_track, or
    too_complex beyond the CPU time; and DecoderDied if ffmpeg was killed.
    """
    source = source_options(path, container)
    reader = AudioReader(path, source, track, longest, cpu_seconds=60 + longest, listener=listener)
    yield from reader.pcm()
    if reader.decoded_seconds < SHORTEST_SECONDS:
        raise MediaError("not_media")
    for code in reader.warnings():
        on_warning(code)


def clipped(
    pcm: Generator[bytes],
    start: float,
    end: float,
    on_progress: Callable[[], None],
    rate: int = SAMPLE_RATE,
    channels: int = 1,
) -> Iterator[bytes]:
    """Yields what of s16le lies between two times, and ends its decoding there.

    What comes before is decoded, too: many containers can't be sought to a sample. `on_progress` is called for it.
    """
    first, last = (round(seconds * rate) * SAMPLE_BYTES * channels for seconds in (start, end))
    at = 0
    with closing(pcm):
        for chunk in pcm:
            if part := chunk[max(0, first - at) : max(0, last - at)]:
                yield part
            else:
                on_progress()
            at += len(chunk)
            if at >= last:
                return
