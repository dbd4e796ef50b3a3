"""What a tenant's own settings make of the options that a request asks for."""

from __future__ import annotations

from dataclasses import replace

from tenants.models import Tenant
from transcription import hotwords
from transcription.catalogue import offered_models
from transcription.models import Mode
from transcription.options import TranscriptionOptions

SHORT_CLIP_SECONDS = 30.0


def applied(asked: TranscriptionOptions, tenant: Tenant, seconds: float) -> TranscriptionOptions:
    """The options under which a recording of this length is transcribed. Applying them again changes nothing."""
    return replace(
        asked,
        model=tenant.short_clip_model if _is_for_short_clips(asked, tenant, seconds) else asked.model,
        mode=tenant.default_mode if asked.mode == Mode.AUTO else asked.mode,
        hotwords=hotwords.joined(tenant.hotwords, asked.hotwords),
    )


def possible(asked: TranscriptionOptions, tenant: Tenant) -> list[TranscriptionOptions]:
    """What may come of the options as long as the recording's length is not known: one or two."""
    return list(dict.fromkeys(applied(asked, tenant, seconds) for seconds in (0.0, SHORT_CLIP_SECONDS)))


def _is_for_short_clips(asked: TranscriptionOptions, tenant: Tenant, seconds: float) -> bool:
    short = seconds < SHORT_CLIP_SECONDS
    return short and not asked.named_model and tenant.short_clip_model in offered_models()
