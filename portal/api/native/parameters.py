"""What a query string says."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.request import Request

from transcription.options import InvalidOption


def whole(request: Request, name: str, among: range) -> int | None:
    """A whole number, None where it is left out. Raises InvalidOption."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) in among):
        message = _("“%(name)s” is a whole number from %(least)d to %(most)d.")
        raise InvalidOption(name, message % {"name": name, "least": among[0], "most": among[-1]})
    return int(text)
