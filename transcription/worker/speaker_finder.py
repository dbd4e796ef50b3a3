"""Finds out who says what, in a process beside the job, while the text is made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

import numpy as np
from django.conf import settings

from tenants.models import EnrolledVoice
from transcription.diarization import voices
from transcription.diarization.process import DiarizationProcess
from transcription.diarization.types import SAMPLE_RATE, Diarization, DiarizationError, SpeakerCount
from transcription.leases import LostClaim, Renewal
from transcription.media import Listener
from transcription.models import DiarizationCheckpoint, KnownSpeaker, Speaker, Transcription
from transcription.options.speakers import speaker_range
from transcription.queue import lifecycle
from transcription.queue.claims import Claim
from transcription.queue.database_outage import retry_through_outage
from transcription.queue.lifecycle import Speakers
from transcription.redaction import redact
from transcription.segments.speakers import divided
from transcription.voices import recognition

log = logging.getLogger(__name__)
NOT_FOUND = "no_speakers"
LONGEST_ERROR = 500


class SpeakerFinder:
    """Tells the speakers of a recording apart, if its transcription asks for it.

    What goes wrong here costs the speakers and never the text: it is in `error`, for operators, and among `warnings`,
    for readers.
    """

    def __init__(self, row: Transcription, claim: Claim, renew: Renewal) -> None:
        self.error = ""
        self._row, self._claim, self._renew = row, claim, renew
        self._range = speaker_range(row.speakers)
        self._process: DiarizationProcess | None = None
        self._channels = 1
        self._heard = bytearray()
        self._saved = 0

    def __enter__(self) -> SpeakerFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def listener(self) -> Listener | None:
        """What is to hear the recording from its beginning; None where nobody is to be told apart."""
        return self._hear if self._range else None

    @property
    def warnings(self) -> list[str]:
        return [NOT_FOUND] if self.error else []

    def save_checkpoints(self) -> None:
        """Saves what another attempt goes on from. Raises LostClaim."""
        new: list[bytes] = []
        with self._giving_up():
            new = self._process.new_checkpoints() if self._process else []
        self._save(new)

    def find(self, seconds: float) -> Speakers | None:
        """Waits for the speakers and returns the transcript divided between them; None if there are none to find.

        seconds: the length of the recording. Raises LostClaim.
        """
        if self._range is None or self.error:
            return None
        retry_through_outage(lifecycle.begin_finding_speakers, self._claim)
        with self._giving_up():
            self._flush()
            found = self._finish()
            segments, numbers = divided(list(self._row.segments.all()), found.turns, seconds)
            return Speakers(self._speakers(found, numbers), segments)
        return None

    def _speakers(self, found: Diarization, numbers: dict[int, int]) -> list[Speaker]:
        """Returns the speakers under their new numbers, with the names of those who are known or recognised."""
        names = self._names(found)
        speakers = {old: Speaker.numbered(self._row, new, names.get(old, "")) for old, new in numbers.items()}
        for old, voice in self._recognised(found, names).items():
            if old in speakers:
                speakers[old].name, speakers[old].recognised_id = voice.name, voice.member_id
        return list(speakers.values())

    def _names(self, found: Diarization) -> dict[int, str]:
        """Returns the names of speakers whose voices the request brought. What goes wrong costs only the names."""
        known = list(KnownSpeaker.objects.filter(transcription=self._row))
        if not known:
            return {}
        try:
            references = [self._voice(one) for one in known]
            recognised = voices.name_speakers(found, self._checkpoints(), references)
        except Exception as error:
            log.warning("The speakers of transcription %s get no names: %s", self._claim.id, error, exc_info=error)
            return {}
        return {speaker: known[reference].name for speaker, reference in recognised.items()}

    def _recognised(self, found: Diarization, names: dict[int, str]) -> dict[int, EnrolledVoice]:
        """Returns the enrolled voices of speakers. What goes wrong costs only the names."""
        try:
            return recognition.recognised(self._row, found, self._checkpoints, names)
        except Exception as error:
            log.warning("Nobody is recognised in transcription %s: %s", self._claim.id, error, exc_info=error)
            return {}

    def _voice(self, known: KnownSpeaker) -> voices.Voice:
        """Raises DiarizationError."""
        return voices.embed(settings.WHISPER_WEIGHTS, np.frombuffer(bytes(known.pcm), dtype="<i2"))

    def _checkpoints(self) -> list[bytes]:
        rows = DiarizationCheckpoint.objects.filter(transcription=self._row).values_list("data", flat=True)
        return [bytes(data) for data in rows]

    def _hear(self, pcm: bytes, channels: int) -> None:
        if self.error:
            return
        self._channels = channels
        self._heard += pcm
        if len(self._heard) >= 2 * channels * SAMPLE_RATE:
            with self._giving_up():
                self._flush()

    def _flush(self) -> None:
        """Hands over what was heard. Raises DiarizationError."""
        if self._process is None:
            self._process = self._start()
        samples = np.frombuffer(bytes(self._heard), dtype="<i2")
        self._heard.clear()
        if len(samples):
            self._process.write(samples if self._channels == 1 else samples.reshape(-1, self._channels))

    def _start(self) -> DiarizationProcess:
        assert self._range is not None
        earlier = self._checkpoints()
        self._saved = len(earlier)
        return DiarizationProcess(settings.WHISPER_WEIGHTS, SpeakerCount(*self._range), self._channels, earlier)

    def _finish(self) -> Diarization:
        """Raises DiarizationError and LostClaim."""
        process = self._process
        assert process is not None

        def on_progress(_share: float) -> None:
            self._renew()
            self._save(process.new_checkpoints())

        found = process.finish(on_progress)
        self._save(process.new_checkpoints())
        return found

    def _save(self, new: Sequence[bytes]) -> None:
        if new:
            retry_through_outage(lifecycle.save_checkpoints, self._claim, self._saved, new)
            self._saved += len(new)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Gives the speakers up on any error but a lost claim."""
        try:
            yield
        except LostClaim:
            raise
        except Exception as error:
            expected = isinstance(error, DiarizationError)
            self.error = redact(f"{type(error).__name__}: {error}")[:LONGEST_ERROR]
            message = "The speakers of transcription %s are not told apart: %s"
            log.warning(message, self._claim.id, self.error, exc_info=not expected)
            self._heard.clear()
            self._close()

    def _close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
