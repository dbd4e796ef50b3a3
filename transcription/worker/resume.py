"""In which mode an attempt transcribes a recording, and from where it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from transcription.engine.client import EngineClient
from transcription.engine.exact import Resume
from transcription.engine.types import EngineUnavailable, WindowResult
from transcription.engine.types import Mode as EngineMode
from transcription.models import Mode, Transcription

CLIP_SECONDS = 30.0
"""A clip of this length is a window by itself, in which fast mode has no more errors than exact mode (docs/engine.md),
and which costs less where its context may be short."""

LONG_SECONDS = 180.0
"""An idle engine decodes the windows of a recording of this length side by side."""


@dataclass
class ResumePlan:
    """The mode of a transcription, which is that of all its attempts, and the state that the last window left.

    `language` is what the next windows' languages are compared with: in exact mode that of the window before, in fast
    mode that of the first one, so that a resumed attempt hears what an undisturbed one would.
    """

    mode: EngineMode
    resume: Resume
    language: str = ""

    def __post_init__(self) -> None:
        self.language = self.resume.language

    @classmethod
    def of(cls, row: Transcription, engine: EngineClient) -> ResumePlan:
        """Returns the plan that an earlier attempt saved; without one, the requested mode from the beginning."""
        state: dict[str, Any] = row.resume
        if row.saved_seconds == 0:
            return cls(_choose_mode(row, engine), Resume())
        if not state:  # saved by a release that knew only this mode
            return cls("fast", Resume(row.saved_seconds, language=row.detected_language))
        context, spoken = tuple(state.get("context", ())), state.get("language", "")
        resume = Resume(row.saved_seconds, context, state.get("last_speech", 0.0), state.get("windows", 0), spoken)
        return cls(state["mode"], resume)

    def state_after(self, result: WindowResult) -> dict[str, Any]:
        """Returns what `Transcription.resume` stores after a window."""
        resume = Resume.after(result)
        if self.mode == "exact" or (not self.language and result.segments):
            self.language = resume.language
        return {
            "mode": self.mode,
            "context": list(resume.context or ()),
            "last_speech": resume.last_speech,
            "windows": resume.windows,
            "language": self.language,
        }


def _choose_mode(row: Transcription, engine: EngineClient) -> EngineMode:
    match row.mode:
        case Mode.EXACT:
            return "exact"
        case Mode.FAST:
            return "fast"
    if settings.WHISPER_BACKEND == "remote":
        # Where a window's text is unfinished its tokens would say, which the other server keeps: cut at silences.
        return "fast"
    seconds = row.recording.duration_seconds
    if 0 < seconds <= CLIP_SECONDS:
        return "fast"
    return "fast" if seconds >= LONG_SECONDS and _is_idle(engine) else "exact"


def _is_idle(engine: EngineClient) -> bool:
    try:
        return engine.status().is_idle
    except EngineUnavailable:
        return False
