"""Errors of decoding."""

from __future__ import annotations


class MediaError(Exception):
    """The file can't be transcribed, and trying again won't help.

    `code` is not_media, format_not_taken, no_audio, no_such_track, too_short, too_long, or too_complex if ffmpeg
    exceeded its limits. `tracks` is the number of audio tracks of a file without the requested one.
    """

    def __init__(self, code: str, detail: str = "", tracks: int = 0) -> None:
        super().__init__(detail or code)
        self.code = code
        self.tracks = tracks


class DecoderDied(Exception):
    """Something outside killed ffmpeg before the end of the file: another attempt may succeed."""
