"""A tenant's defaults, applied to the options that a request asks for."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tenants import enrolled_voices, scope
from tenants.models import Tenant
from transcription.diarization import weights
from transcription.errors import InvalidOption
from transcription.models import Folder, Mode, Transcription
from transcription.options import engines, hotwords
from transcription.options.offered_models import default_model, is_named, knows, offered_models
from transcription.options.options import TranscriptionOptions, codes_of, known_languages, offered_model
from transcription.options.speakers import OFF, checked_speakers

SHORT_CLIP_SECONDS = 30.0


def apply(
    requested: TranscriptionOptions, tenant: Tenant, seconds: float, folder: Folder | None = None
) -> TranscriptionOptions:
    """Returns the options under which a recording of this length, in this folder, is transcribed."""
    own = hotwords.without(requested.folder_hotwords, requested.hotwords)
    of_folder = _terms_to_hear(tenant, seconds, folder.term_hotwords if folder else "")
    terms = _terms_to_hear(tenant, seconds, of_folder, tenant.term_hotwords)
    elsewhere = hotwords.joined(tenant.hotwords, own, _terms_to_hear(tenant, seconds, tenant.term_hotwords))
    speakers = requested.speakers or _usual_speakers(tenant)
    model = requested.model if requested.named_model else _usual_model(requested, tenant, seconds)
    return replace(
        requested,
        model=model,
        languages=requested.languages or ("" if requested.language else _usual_languages(tenant, model)),
        mode=tenant.default_mode if requested.mode == Mode.AUTO else requested.mode,
        hotwords=hotwords.joined(tenant.hotwords, own, terms),
        folder_hotwords=hotwords.without(elsewhere, of_folder),
        speakers=speakers,
        enrolled="" if speakers == OFF else _enrolled(tenant),
    )


def candidates(
    requested: TranscriptionOptions, tenant: Tenant, folder: Folder | None = None
) -> list[TranscriptionOptions]:
    """Returns what `apply` may return while the recording's length is not known: one or two."""
    return list(dict.fromkeys(apply(requested, tenant, seconds, folder) for seconds in (0.0, SHORT_CLIP_SECONDS)))


def _usual_model(requested: TranscriptionOptions, tenant: Tenant, seconds: float) -> str:
    """Returns the tenant's model for recordings of this length that knows the languages, or the installation's."""
    codes = [code for code in (requested.language, *codes_of(requested.languages)) if code]

    def serves(model: str) -> bool:
        return model in offered_models() and all(knows(model, code) for code in codes) and engines.may_serve(model)

    return next(filter(serves, _models_of(tenant, seconds)), requested.model)


def _models_of(tenant: Tenant, seconds: float) -> tuple[str, ...]:
    """Returns what the tenant set for recordings of this length, the most particular first; perhaps empty names."""
    return (tenant.short_clip_model if seconds < SHORT_CLIP_SECONDS else "", tenant.default_model)


def _terms_to_hear(tenant: Tenant, seconds: float, *lists: str) -> str:
    """Returns those terms of the lists that Whisper is reminded of, if the tenant wants that.

    A short clip has none: hotwords would cost it the short context (docs/engine.md, "Short clips").
    """
    return hotwords.fitting(*lists) if tenant.hears_terms and seconds >= SHORT_CLIP_SECONDS else ""


def _usual_languages(tenant: Tenant, model: str) -> str:
    """Returns those of the tenant's languages that the model knows; the others can't be detected.

    An operator may type anything in the admin, so that unknown names are left out, too.
    """
    return ",".join(code for code in known_languages(tenant.languages) if knows(model, code))


def _usual_speakers(tenant: Tenant) -> str:
    """Returns what the tenant chose; an operator may type anything in the admin."""
    try:
        return checked_speakers(tenant.speakers) or OFF
    except InvalidOption:
        return OFF


def _enrolled(tenant: Tenant) -> str:
    """Returns what tells one set of enrolled voices from another: a text is reused only with the names of now."""
    if not tenant.recognises_voices:
        return ""
    with scope.bound(tenant.id):
        ids = enrolled_voices.comparable(tenant, weights.VOICES).values_list("id", flat=True)
        return hashlib.sha256(b"".join(one.bytes for one in ids)).hexdigest() if ids else ""


def requested(row: Transcription, tenant: Tenant) -> TranscriptionOptions:
    """Returns the options that the original request asked for, before tenant defaults.

    Raises InvalidOption where its model is no longer offered.
    """
    name = requested_model(row, tenant)
    return replace(
        TranscriptionOptions.from_row(row),
        model=offered_model(name),
        named_model=is_named(name),
        hotwords=requested_hotwords(row, tenant),
        languages=requested_languages(row, tenant),
        speakers=requested_speakers(row, tenant),
    )


def requested_model(row: Transcription, tenant: Tenant) -> str:
    """Returns the model that the request named; empty where it is the default or the tenant's settings chose it."""
    seconds = row.recording.duration_seconds
    unnamed = TranscriptionOptions(default_model(), named_model=False)
    usual = (*_models_of(tenant, seconds), apply(unnamed, tenant, seconds).model)
    return "" if row.model in usual else row.model


def requested_hotwords(row: Transcription, tenant: Tenant) -> str:
    """Returns the request's own terms, without those that the tenant adds to every request, and the folder added."""
    of_tenant = _terms_to_hear(tenant, row.recording.duration_seconds, tenant.term_hotwords)
    added = hotwords.joined(tenant.hotwords, row.folder_hotwords, of_tenant)
    return hotwords.without(added, row.hotwords)


def requested_speakers(row: Transcription, tenant: Tenant) -> str:
    return "" if row.speakers == _usual_speakers(tenant) else row.speakers


def requested_languages(row: Transcription, tenant: Tenant) -> str:
    """Returns the languages that the request named; empty where they are the tenant's."""
    return "" if row.languages == _usual_languages(tenant, row.model) else row.languages
