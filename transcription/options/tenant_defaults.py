"""What a tenant's own settings make of the options that a request asks for."""

from __future__ import annotations

from dataclasses import replace

from tenants.models import Tenant
from transcription.models import Mode, Transcription
from transcription.options import engines, hotwords
from transcription.options.offered_models import default_model, is_named, knows, offered_models
from transcription.options.options import TranscriptionOptions, codes_of, known_languages, offered_model

SHORT_CLIP_SECONDS = 30.0


def applied(asked: TranscriptionOptions, tenant: Tenant, seconds: float) -> TranscriptionOptions:
    """The options under which a recording of this length is transcribed. Applying them again changes nothing."""
    model = tenant.short_clip_model if _is_for_short_clips(asked, tenant, seconds) else asked.model
    return replace(
        asked,
        model=model,
        languages=asked.languages or ("" if asked.language else _usual_languages(tenant, model)),
        mode=tenant.default_mode if asked.mode == Mode.AUTO else asked.mode,
        hotwords=hotwords.joined(tenant.hotwords, asked.hotwords),
    )


def possible(asked: TranscriptionOptions, tenant: Tenant) -> list[TranscriptionOptions]:
    """What may come of the options as long as the recording's length is not known: one or two."""
    return list(dict.fromkeys(applied(asked, tenant, seconds) for seconds in (0.0, SHORT_CLIP_SECONDS)))


def _is_for_short_clips(asked: TranscriptionOptions, tenant: Tenant, seconds: float) -> bool:
    short, model = seconds < SHORT_CLIP_SECONDS, tenant.short_clip_model
    known = all(knows(model, code) for code in (asked.language, *codes_of(asked.languages)) if code)
    return short and known and not asked.named_model and model in offered_models() and engines.may_serve(model)


def _usual_languages(tenant: Tenant, model: str) -> str:
    """Those of the tenant's that the model knows: the others can't be detected anyway.

    Nothing has checked what an operator typed in the admin.
    """
    return ",".join(code for code in known_languages(tenant.languages) if knows(model, code))


def asked(row: Transcription, tenant: Tenant) -> TranscriptionOptions:
    """What a request for this transcription asked for, so that `applied` makes the same of it once more.

    Raises InvalidOption where its model is no longer offered.
    """
    name = asked_model(row, tenant)
    return replace(
        done(row),
        model=offered_model(name),
        named_model=is_named(name),
        hotwords=asked_hotwords(row, tenant),
        languages=asked_languages(row, tenant),
    )


def done(row: Transcription) -> TranscriptionOptions:
    """The options of a transcription, with all that the tenant's settings made of them."""
    return TranscriptionOptions(
        model=row.model,
        task=row.task,
        language=row.language,
        prompt=row.prompt,
        temperature=row.temperature,
        word_timestamps=row.word_timestamps,
        mode=row.mode,
        hotwords=row.hotwords,
        beam_size=row.beam_size,
        audio_track=row.audio_track,
        languages=row.languages,
    )


def asked_model(row: Transcription, tenant: Tenant) -> str:
    """The model that was asked for by its name; empty where the tenant's settings choose it, or it is the default."""
    seconds = row.recording.duration_seconds
    unnamed = TranscriptionOptions(default_model(), named_model=False)
    for_short_clips = seconds < SHORT_CLIP_SECONDS and row.model == tenant.short_clip_model
    return "" if for_short_clips or row.model == applied(unnamed, tenant, seconds).model else row.model


def asked_hotwords(row: Transcription, tenant: Tenant) -> str:
    """The request's own terms, without those that the tenant adds to all."""
    return hotwords.without(tenant.hotwords, row.hotwords)


def asked_languages(row: Transcription, tenant: Tenant) -> str:
    """The languages that the request named itself; empty where they are what the tenant's settings say."""
    return "" if row.languages == _usual_languages(tenant, row.model) else row.languages
