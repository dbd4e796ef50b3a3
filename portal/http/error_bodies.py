"""JSON bodies of errors, for the views of both APIs and for what answers in their place."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

PROBLEM_TYPE = "application/problem+json"


def problem_body(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """Returns a problem of RFC 9457; `more` are further fields."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **more}


def openai_error_body(message: str, kind: str, param: str | None, code: str | None) -> dict[str, dict[str, str | None]]:
    """Returns an error as OpenAI's SDKs read it: all four keys, always."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
