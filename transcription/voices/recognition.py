"""Which speakers of a new recording are members who have enrolled their voices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from tenants import enrolled_voices
from tenants.models import EnrolledVoice, Tenant
from transcription.diarization import voices, weights
from transcription.diarization.types import Diarization
from transcription.diarization.voices import Voice
from transcription.models import Transcription
from transcription.voices import sealing

log = logging.getLogger(__name__)


def recognised(
    row: Transcription, found: Diarization, checkpoints: Callable[[], Sequence[bytes]], named: dict[int, str]
) -> dict[int, EnrolledVoice]:
    """Returns the enrolled voices that speakers have, of those whose voices were enrolled before `row` was ordered.

    named: speakers who have a name already. Nothing where the tenant recognises nobody. Raises DiarizationError.
    """
    enrolled = _enrolled(row)
    if not enrolled:
        return {}
    known = voices.recognise(found, checkpoints(), [voice for _member, voice in enrolled])
    return {speaker: enrolled[index][0] for speaker, index in known.items() if speaker not in named}


def _enrolled(row: Transcription) -> list[tuple[EnrolledVoice, Voice]]:
    tenant = Tenant.objects.get(id=row.tenant_id)
    if not tenant.recognises_voices:
        return []
    rows = enrolled_voices.comparable(tenant, weights.VOICES).filter(created_at__lte=row.created_at)
    enrolled = []
    for one in rows:
        try:
            enrolled.append((one, np.frombuffer(sealing.unseal(one.sealed), "<f4").astype(np.float32)))
        except sealing.SecretLost:
            log.warning("The voice %s can't be read: SECRET_KEY was changed. Its member has to enrol again.", one.id)
    return enrolled
