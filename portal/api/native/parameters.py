"""Reads the parameters of a query string. One that is left out or empty is absent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal.api.native.datetimes import checked_datetime
from transcription.errors import InvalidOption


def whole(request: Request, name: str, among: range) -> int | None:
    """Returns a whole number, None where it is absent. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) in among):
        message = _("“%(name)s” must be a whole number from %(least)d to %(most)d.")
        raise InvalidOption(name, message % {"name": name, "least": among[0], "most": among[-1]})
    return int(text)


def choice(request: Request, name: str, known: Collection[str]) -> str:
    """Returns one of `known`, an empty text where it is absent. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    if text and text not in known:
        message = _("“%(name)s” must be one of %(known)s.")
        raise InvalidOption(name, message % {"name": name, "known": ", ".join(known)})
    return text


def date_time(request: Request, name: str) -> datetime | None:
    """Returns it in UTC, None where it is absent. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    return checked_datetime(text, name) if text else None
