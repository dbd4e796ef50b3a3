"""Parameters of a query string: each is published, and read, as it is declared. One left out or empty is absent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from portal.api.native.datetimes import checked_datetime
from transcription.errors import InvalidOption


class Text(OpenApiParameter):
    """A string."""

    def __init__(self, name: str, description: str, *, required: bool = False) -> None:
        super().__init__(name, OpenApiTypes.STR, description=description, required=required)

    def read(self, request: Request) -> str:
        """Returns an empty text where it is absent."""
        return request.query_params.get(self.name, "")


class Id(OpenApiParameter):
    """An id, or one of the words `besides`."""

    def __init__(self, name: str, description: str, besides: Sequence[str] = ()) -> None:
        super().__init__(name, OpenApiTypes.STR, description=description)
        self.besides = besides

    def read(self, request: Request) -> str:
        """Returns an empty text where it is absent. Raises InvalidOption."""
        text = request.query_params.get(self.name, "")
        if not text or text in self.besides:
            return text
        try:
            return str(UUID(text))
        except ValueError:
            raise InvalidOption(self.name, _("“%(name)s” must be an id.") % {"name": self.name}) from None


class Choice(OpenApiParameter):
    """One of `choices`."""

    def __init__(self, name: str, description: str, choices: Sequence[str]) -> None:
        super().__init__(name, OpenApiTypes.STR, description=description, enum=choices)
        self.choices = choices

    def read(self, request: Request) -> str:
        """Returns an empty text where it is absent. Raises InvalidOption."""
        text = request.query_params.get(self.name, "")
        if text and text not in self.choices:
            message = _("“%(name)s” must be one of %(known)s.")
            raise InvalidOption(self.name, message % {"name": self.name, "known": ", ".join(self.choices)})
        return text


class Whole(OpenApiParameter):
    """A whole number of a range."""

    def __init__(self, name: str, description: str, among: range) -> None:
        self.least, self.most = among[0], among[-1]
        schema = {"type": "integer", "minimum": self.least, "maximum": self.most}
        super().__init__(name, schema, description=description)

    def read(self, request: Request) -> int | None:
        """Returns None where it is absent. Raises InvalidOption."""
        text = request.query_params.get(self.name, "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and self.least <= int(text) <= self.most):
            message = _("“%(name)s” must be a whole number from %(least)d to %(most)d.")
            raise InvalidOption(self.name, message % {"name": self.name, "least": self.least, "most": self.most})
        return int(text)


class DateTime(OpenApiParameter):
    """Date, time and zone."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, OpenApiTypes.STR, description=description)

    def read(self, request: Request) -> datetime | None:
        """Returns it in UTC, None where it is absent. Raises InvalidOption."""
        text = request.query_params.get(self.name, "")
        return checked_datetime(text, self.name) if text else None
