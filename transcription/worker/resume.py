"""How an attempt goes through a recording, and where it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transcription.engine.client import EngineClient
from transcription.engine.exact import Resume
from transcription.engine.types import EngineUnavailable, WindowResult
from transcription.engine.types import Mode as EngineMode
from transcription.models import Mode, Transcription

LONG_SECONDS = 180.0
"""From here on an idle engine is put to better use with windows side by side."""


@dataclass
class ResumePlan:
    """The mode that a transcription is done in, in all of its attempts, and what is done already."""

    mode: EngineMode
    resume: Resume
    language: str = ""

    def __post_init__(self) -> None:
        self.language = self.resume.language

    @classmethod
    def of(cls, row: Transcription, engine: EngineClient) -> ResumePlan:
        """As it was begun; at the beginning as asked for, and as the engine's load has it where that was left open."""
        state: dict[str, Any] = row.resume
        if row.saved_seconds == 0:
            return cls(_mode(row, engine), Resume())
        if not state:  # begun by a release that knew only this mode
            return cls("fast", Resume(row.saved_seconds, language=row.detected_language))
        context, spoken = tuple(state.get("context", ())), state.get("language", "")
        resume = Resume(row.saved_seconds, context, state.get("last_speech", 0.0), state.get("windows", 0), spoken)
        return cls(state["mode"], resume)

    def after(self, result: WindowResult) -> dict[str, Any]:
        """What `Transcription.resume` holds after a window.

        The language is what the next windows' languages are compared with: in exact mode that of the window before, in
        fast mode that of the first one, so that an attempt that goes on hears what an undisturbed one would.
        """
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


def _mode(row: Transcription, engine: EngineClient) -> EngineMode:
    match row.mode:
        case Mode.EXACT:
            return "exact"
        case Mode.FAST:
            return "fast"
    is_long = row.recording.duration_seconds >= LONG_SECONDS
    return "fast" if is_long and _is_idle(engine) else "exact"


def _is_idle(engine: EngineClient) -> bool:
    try:
        return engine.status().is_idle
    except EngineUnavailable:
        return False
