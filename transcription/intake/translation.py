"""Asks for a transcript's translation into English, which stands beside it: queued and charged as any transcription."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import Refused
from transcription.exports import text_language
from transcription.intake import accept
from transcription.intake.request import CallContext
from transcription.models import Lane, Task, Transcription
from transcription.options.offered_models import knows, offered_models, translates
from transcription.options.options import TranscriptionOptions
from transcription.options.speakers import OFF
from transcription.transcripts import editing


def ask(actor: Actor, transcription_id: UUID, call: CallContext | None = None) -> Transcription:
    """Queues a translation of a completed transcription, under its options; returns one that answers already.

    It is by the same model where that translates, else by the first one offered that does. Raises Http404,
    NotCompleted, TextDeleted, Refused and InvalidOption.
    """
    actor.require("recordings.create")
    row = editing.transcript(actor, transcription_id)
    if text_language(row) == "en":
        raise Refused("is_english", _("This text is English already."))
    return accept.transcribe_again(actor, row.recording, _options(row), call, translates=row)


def _options(row: Transcription) -> TranscriptionOptions:
    """Returns options without word times: a strike hides whole lines of a translation. Raises Refused."""
    language = row.detected_language or row.language
    able = (model for model in (row.model, *offered_models()) if model in offered_models() and translates(model))
    model = next((model for model in able if not language or knows(model, language)), None)
    if model is None:
        raise Refused("no_translation", _("None of the models of this installation translates this language."))
    return TranscriptionOptions(
        model,
        task=Task.TRANSLATE,
        language=language,
        mode=row.mode,
        beam_size=row.beam_size,
        audio_track=row.audio_track_taken if len(row.recording.audio_tracks) > 1 else 0,
        speakers=OFF,
        lane=Lane.STANDARD,
        named_model=True,
    )
