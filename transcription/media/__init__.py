"""Decodes untrusted media to audio whose times are those of a browser's media element.

`probe` and `decode` read one audio track as 16 kHz mono s16le PCM; `make_playable` writes a copy for browsers.
"""

from transcription.media.audio_reader import BYTES_PER_SECOND, SAMPLE_RATE, Listener
from transcription.media.decoding import clipped, decode
from transcription.media.errors import DecoderDied, MediaError
from transcription.media.ffmpeg import find_ffmpeg, without_network
from transcription.media.playback import is_playable, make_playable
from transcription.media.probing import Probe, probe
from transcription.media.report import AudioTrack

__all__ = [
    "BYTES_PER_SECOND",
    "SAMPLE_RATE",
    "AudioTrack",
    "DecoderDied",
    "Listener",
    "MediaError",
    "Probe",
    "clipped",
    "decode",
    "find_ffmpeg",
    "is_playable",
    "make_playable",
    "probe",
    "without_network",
]
