"""What a query string says. A parameter is absent where it is left out or empty."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal.api.native.datetimes import checked_moment
from transcription.errors import InvalidOption


def whole(request: Request, name: str, among: range) -> int | None:
    """A whole number, None where it is absent. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) in among):
        message = _("“%(name)s” is a whole number from %(least)d to %(most)d.")
        raise InvalidOption(name, message % {"name": name, "least": among[0], "most": among[-1]})
    return int(text)


def choice(request: Request, name: str, known: Collection[str]) -> str:
    """One of `known`, empty where it is absent. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    if text and text not in known:
        message = _("“%(name)s” is one of %(known)s.")
        raise InvalidOption(name, message % {"name": name, "known": ", ".join(known)})
    return text


def moment(request: Request, name: str) -> datetime | None:
    """In UTC, None where it is absent. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    return checked_moment(text, name) if text else None
