"""In which mode an attempt transcribes a recording, and from where it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transcription.engine.exact import Resume
from transcription.engine.types import Mode as EngineMode
from transcription.engine.types import WindowResult
from transcription.models import Mode, Transcription

AUTOMATIC: EngineMode = "fast"
"""Has no clearly more wrong words at any length, and fewer in long recordings (`benchmarks.modes`, docs/engine.md)."""

MODES: dict[str, EngineMode] = {Mode.AUTO: AUTOMATIC, Mode.EXACT: "exact", Mode.FAST: "fast"}


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
    def of(cls, row: Transcription) -> ResumePlan:
        """Returns the plan that an earlier attempt saved; without one, the requested mode from the beginning."""
        state: dict[str, Any] = row.resume
        if row.saved_seconds == 0:
            return cls(MODES[row.mode], Resume())
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
