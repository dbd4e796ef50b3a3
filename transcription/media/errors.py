"""Why a file gives no sound."""

from __future__ import annotations


class MediaError(Exception):
    """This file can't be transcribed, now or later.

    `code` is one of not_media, format_not_taken, no_audio, no_such_track, too_short, too_long, and too_complex where
    ffmpeg ran into its limits. `tracks` is how many audio tracks there are instead of one that isn't there.
    """

    def __init__(self, code: str, detail: str = "", tracks: int = 0) -> None:
        super().__init__(detail or code)
        self.code = code
        self.tracks = tracks


class DecoderDied(Exception):
    """Somebody else ended ffmpeg before the end of the file: another attempt may get further."""
