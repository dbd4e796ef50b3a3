"""Reads the voices that a request brings, as data URLs, so that speakers are named by them."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription import media
from transcription.concurrency import TooBusy
from transcription.connections import lend_connection
from transcription.errors import InvalidOption, Refused
from transcription.intake.probe import PROBES, WAIT_SECONDS, too_busy
from transcription.media import DecoderDied, MediaError
from transcription.options.speakers import KnownVoice

NAMES, REFERENCES = "known_speaker_names[]", "known_speaker_references[]"
MOST_VOICES = 4
SHORTEST, LONGEST = 2.0, 10.0
TOLERANCE = 0.1  # seconds: encoders pad
DATA_URL = re.compile(rb"data:(?:audio|video)/([A-Za-z0-9.+-]{1,40})(?:;[A-Za-z0-9=.+_-]{1,60})*;base64,")


def known_voices(actor: Actor, names: Sequence[str], references: Iterable[Path]) -> tuple[KnownVoice, ...]:
    """Decodes voices in limited children of ffmpeg. references: files, each with a data URL.

    Raises InvalidOption for what is no voice of 2 to 10 seconds, and Refused.
    """
    lend_connection()
    try:
        with PROBES.slot(actor.tenant.id, WAIT_SECONDS):
            return tuple(KnownVoice(name, _pcm(path)) for name, path in zip(names, references, strict=True))
    except TooBusy:
        raise too_busy() from None


def _pcm(path: Path) -> bytes:
    """Returns a reference as mono s16le at 16 kHz. Raises InvalidOption and Refused."""
    sent = path.read_bytes()
    head = DATA_URL.match(sent)
    if head is None:
        raise InvalidOption(REFERENCES, _("A voice must be a data URL: data:audio/wav;base64,…"))
    try:
        content = base64.b64decode(sent[head.end() :].strip(), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidOption(REFERENCES, _("A voice’s data URL must hold base64.")) from None
    with tempfile.NamedTemporaryFile(dir=settings.INCOMING_DIR, prefix="voice-") as file:
        file.write(content)
        file.flush()
        return _decoded(Path(file.name), f"voice.{head[1].decode()}")


def _decoded(path: Path, name: str) -> bytes:
    """Raises InvalidOption and Refused."""
    try:
        found = media.probe(path, LONGEST + 1.0, LONGEST + 1.0, None, name)
    except DecoderDied as died:
        message = _("Reading the file was interrupted, by no fault of its own. Send it again in a moment.")
        raise Refused("interrupted", message) from died
    except MediaError as error:
        if error.code not in ("too_long", "too_short"):
            raise InvalidOption(REFERENCES, _("A voice could not be read: it is damaged or no audio.")) from error
        found = None
    if found is None or not SHORTEST - TOLERANCE <= found.duration <= LONGEST + TOLERANCE or not found.pcm:
        raise InvalidOption(REFERENCES, _("A voice must be 2 to 10 seconds long."))
    return found.pcm
