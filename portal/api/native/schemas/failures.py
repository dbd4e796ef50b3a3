"""What went wrong."""

from __future__ import annotations

from typing import TypedDict


class Failure(TypedDict):
    """Why a transcription failed: a code for programs, a sentence for people."""

    code: str
    message: str


class ProblemBody(TypedDict):
    """What went wrong, as RFC 9457 has it: `code` for programs, `detail` with the cause and the way out."""

    type: str
    title: str
    status: int
    code: str
    detail: str
