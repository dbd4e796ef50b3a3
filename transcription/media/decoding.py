"""The whole sound of one track, for the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from transcription.media.audio_reader import SHORTEST_SECONDS, AudioReader
from transcription.media.errors import MediaError
from transcription.media.formats import source_options


def decode(
    path: Path, container: str, longest: float, track: int = 0, on_warning: Callable[[str], None] = lambda _code: None
) -> Iterator[bytes]:
    """16 kHz mono s16le PCM of an audio track on the media's clock, in chunks of about a second.

    `container` is the demuxer the probe found; no other is tried. Whoever reads sets the pace, so no clock runs but
    the child's own CPU time. `on_warning` is called at the end, with each code of `AudioReader.warnings`. Raises
    MediaError: too_long past `longest` seconds, not_media where ffmpeg gives nothing, no_such_track, too_complex past
    its CPU time; DecoderDied where it was killed before the end.
    """
    source = source_options(path, container)
    reader = AudioReader(path, source, track, longest, cpu_seconds=60 + longest)
    yield from reader.pcm()
    if reader.decoded_seconds < SHORTEST_SECONDS:
        raise MediaError("not_media")
    for code in reader.warnings():
        on_warning(code)
