"""What answers a request without new work. Intake asks in this order, and the first answer wins:

1. `find_existing`: the transcription that the idempotency key names;
2. `find_existing`: the unfinished one that an earlier attempt of the same synchronous call waits for;
3. `find_unfinished`: for a stored recording, its unfinished one under the same options, beside the same transcript;
4. `find_finished`: the tenant's finished result for the same content and options, whose text is copied.

`commit` asks 1 and 2 once more with the tenant locked.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from transcription.errors import Refused
from transcription.intake import idempotency, reuse, waiters
from transcription.intake.request import TranscriptionRequest
from transcription.intake.reuse import FinishedResult
from transcription.models import Recording, Transcription


def find_existing(request: TranscriptionRequest) -> Transcription | None:
    """Returns what an earlier call made; a call that waits now counts among its waiters.

    Raises Refused for a key that names another request or a deleted recording.
    """
    named = idempotency.find(request.actor, request.call.key, request.digest)
    if named is not None and named.recording.deleted_at is not None:
        raise Refused("deleted", _("The recording that this Idempotency-Key made was deleted. Use a new key."))
    return _joined(request) if named is None and request.call.waits else named


def find_unfinished(request: TranscriptionRequest, recording: Recording) -> Transcription | None:
    """Returns an unfinished transcription of this very recording; it is finished now even if its waiters hang up."""
    unfinished = reuse.unfinished_of_recording(recording, request.fingerprint_for(recording), request.translates)
    return next((row for row in unfinished if waiters.keep(row)), None)


def find_finished(request: TranscriptionRequest) -> FinishedResult | None:
    """Returns a result of the tenant's; where there are several, one that stands where this one is to stand."""
    for fingerprint, options in request.options_by_fingerprint.items():
        result = reuse.find_finished(request.actor, options, fingerprint, request.translates)
        if result is not None and request.is_for(result.source):
            return result
    return None


def _joined(request: TranscriptionRequest) -> Transcription | None:
    """Joins the waiters of an unfinished transcription. One that ends meanwhile is skipped."""
    join = waiters.keep if request.call.key else waiters.join
    unfinished = reuse.unfinished_of_caller(request.actor, list(request.options_by_fingerprint))
    return next((row for row in unfinished if request.is_for(row) and join(row)), None)
