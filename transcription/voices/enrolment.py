"""Enrols the voice of a member from sentences that they read aloud, and takes recognised names out of transcripts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from tenants import audit, people_lock
from tenants.access import Actor
from tenants.models import EnrolledVoice, Member
from transcription import media, tenant_lock
from transcription.concurrency import ConcurrencyLimit, TooBusy
from transcription.connections import lend_connection
from transcription.diarization import voices, weights
from transcription.diarization.types import SAMPLE_RATE
from transcription.diarization.voices import Sample
from transcription.errors import Refused
from transcription.folders.visibility import seen
from transcription.intake.probe import PROBES, WAIT_SECONDS, too_busy
from transcription.media import DecoderDied, MediaError
from transcription.models import MachineText, Revision, Speaker, Transcription
from transcription.models.speaker import LONGEST_NAME
from transcription.transcripts.revisions import write_revision
from transcription.transcripts.speakers import checked_name
from transcription.voices import sealing, sentences

log = logging.getLogger(__name__)
SENTENCES = 3
LONGEST = 15.0
LEAST_SPEECH_SECONDS = 2.5
LEAST_LEVEL_DB = -42.0
"""Of the loudest tenth of a sentence, below full scale: room noise alone is quieter, and so is a voice that a gain
would lift with the noise."""

CLIPPED = 0.005
"""The share of samples at full scale above which a sentence is distorted."""

LEAST_SHARE = 0.9
"""How much of the speech must be one person's."""


SENTENCES_AT_ONCE = 6
LISTENING = ConcurrencyLimit(SENTENCES_AT_ONCE, share=2)
"""Of this process: a gpuworker listens to one after the other, and another tenant's people wait, too."""


class Unsuitable(Exception):
    """A sentence can't be used; the message says why, and what to do."""


class NotTheSame(Exception):
    """The sentences are not one person's: `number` is the one that is least like the others, from 0."""

    def __init__(self, number: int) -> None:
        super().__init__(_("This sentence sounds like somebody else than the others. Read it again yourself."))
        self.number = number


def require_enrolling(actor: Actor) -> Member:
    """Returns the member who may enrol. Raises PermissionDenied."""
    actor.require_in_person()
    allowed = Member.objects.filter(tenant__recognises_voices=True, tenant__quota__includes_voices=True)
    now = allowed.filter(id=actor.member.id).first() if actor.member else None
    if now is None:
        raise PermissionDenied(_("%(tenant)s does not name its members by their voices.") % {"tenant": actor.tenant})
    return now


def listen(actor: Actor, path: Path, name: str) -> Sample:
    """Returns what is heard in a recorded sentence. Raises PermissionDenied, Unsuitable and Refused."""
    require_enrolling(actor)
    pcm = _decoded(actor, path, name)
    _check_level(np.frombuffer(pcm, "<i2"))
    try:
        with LISTENING.slot(actor.tenant.id, WAIT_SECONDS):
            sample = sentences.hear(pcm)
    except TooBusy:
        raise too_busy() from None
    except sentences.NotHeard as error:
        log.warning("A sentence of tenant %s was not heard: %s", actor.tenant.id, error)
        message = _("Nobody could listen to this right now. Wait a minute, then try again: nothing of it was kept.")
        raise Refused("not_heard", message) from error
    if sample.most < LEAST_SPEECH_SECONDS:
        raise Unsuitable(_("That was too short. Read the whole sentence, at your usual pace."))
    if sample.most < LEAST_SHARE * sample.seconds:
        raise Unsuitable(_("More than one voice is heard. Read it alone, in a quiet place."))
    return sample


def enrol(actor: Actor, name: object, samples: Sequence[Sample]) -> EnrolledVoice:
    """Enrols the member by what `listen` returned of three sentences, in place of an earlier voice of theirs.

    Raises PermissionDenied, NotTheSame, InvalidOption and Refused.
    """
    shown = checked_name(name) or str(actor.user)[:LONGEST_NAME]
    voice = _one_voice([sample.voice for sample in samples])
    sealed = sealing.seal(voice.astype("<f4").tobytes())
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        people_lock.lock(actor.tenant.id)
        member = require_enrolling(actor)
        EnrolledVoice.objects.filter(member=member).delete()
        row = EnrolledVoice.objects.create(
            tenant=actor.tenant, member=member, name=shown, sealed=sealed, version=weights.VOICES
        )
        audit.record(actor, "voice.enrolled", member, email=member.user.email, version=row.version)
    return row


def named_transcripts(actor: Actor) -> int:
    """Returns in how many transcripts that the actor sees a speaker has their name because they were recognised."""
    rows = Speaker.objects.filter(seen(actor, "transcription__recording"), recognised=actor.member)
    return rows.values("transcription").distinct().count()


def remove_names(actor: Actor) -> int:
    """Takes the name out of the transcripts in which the actor was recognised, and of their histories.

    Returns the number of those that the actor sees: one's name is one's own also where one sees nothing. Each is
    changed in a transaction of its own: what is left after an interruption is done by the next call.
    """
    told, rows = named_transcripts(actor), Speaker.objects.filter(recognised=actor.member)
    ids = list(rows.values_list("transcription", flat=True).distinct())
    for transcription_id in ids:
        with transaction.atomic():
            row = Transcription.objects.select_for_update(of=("self",)).filter(id=transcription_id).first()
            speakers = {one.index: one.name for one in rows.filter(transcription=transcription_id)}
            if row is not None and speakers:
                _unname(actor, row, speakers)
    if ids:
        audit.record(actor, "voice.names_removed", actor.member, transcriptions=len(ids))
    return told


def _unname(actor: Actor, row: Transcription, speakers: dict[int, str]) -> None:
    write_revision(actor, row, Revision.Action.RENAME, 0, [], [], dict.fromkeys(speakers, ""))
    histories: list[MachineText | Revision] = list(MachineText.objects.filter(transcription=row))
    histories += Revision.objects.filter(transcription=row).defer("before", "changed")
    for kept in histories:
        names = {number: "" if speakers.get(int(number)) == name else name for number, name in kept.names.items()}
        if names != kept.names:
            kept.names = names
            kept.save(update_fields=["names"])


def _one_voice(every: list[voices.Voice]) -> voices.Voice:
    """Raises NotTheSame."""
    likeness = np.array(every) @ np.array(every).T
    np.fill_diagonal(likeness, 1.0)
    if likeness.min() < voices.SAME_VOICE:
        raise NotTheSame(int(likeness.sum(axis=0).argmin()))
    return voices.together(every)


def _decoded(actor: Actor, path: Path, name: str) -> bytes:
    """Raises Unsuitable and Refused."""
    lend_connection()
    try:
        with PROBES.slot(actor.tenant.id, WAIT_SECONDS):
            found = media.probe(path, LONGEST, LONGEST, None, name)
    except TooBusy:
        raise too_busy() from None
    except DecoderDied as died:
        message = _("Reading the file was interrupted, by no fault of its own. Send it again in a moment.")
        raise Refused("interrupted", message) from died
    except MediaError as error:
        if error.code == "too_long":
            raise Unsuitable(_("That was too long. Stop the recording after the sentence.")) from error
        raise Unsuitable(_("The recording could not be read. Record it again.")) from error
    return found.pcm


def _check_level(samples: np.typing.NDArray[np.int16]) -> None:
    """Raises Unsuitable."""
    size = SAMPLE_RATE // 20
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64) / 32768
    power = np.sort((frames**2).mean(axis=1))[-max(1, len(frames) // 10) :].mean() if len(frames) else 0.0
    if 10 * np.log10(power + 1e-12) < LEAST_LEVEL_DB:
        raise Unsuitable(_("That was too quiet. Move closer to the microphone, or turn it up."))
    if (np.abs(samples.astype(np.int32)) >= 32760).mean() > CLIPPED:
        raise Unsuitable(_("That was too loud, and is distorted. Move away from the microphone, or turn it down."))
