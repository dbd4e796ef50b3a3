"""Share links of a recording."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, TypedDict

from pydantic import BeforeValidator, Field

from portal.api.native.datetimes import read_datetime
from portal.api.native.parsing import Count, RequestBody, Text, documented
from transcription.shares import links
from transcription.shares.models import LONGEST_LABEL, Level, State

Seconds = Annotated[float, Field(ge=0, le=1e7)]


class NewShare(RequestBody):
    """A link to make. Without `expires_at` it lasts 30 days, with null until it is revoked.

    With `email` it is that guest's alone, who gets it by e-mail.
    """

    knows_null: ClassVar[bool] = True
    label: Annotated[Text, documented(maxLength=LONGEST_LABEL)] = ""
    email: Annotated[Text, documented(format="email", maxLength=links.LONGEST_EMAIL)] = ""
    level: Annotated[Text, documented(enum=Level.values)] = Level.VIEW
    expires_at: Annotated[datetime | None, BeforeValidator(read_datetime)] = None
    password: Annotated[Text, documented(minLength=links.SHORTEST_PASSWORD, maxLength=links.LONGEST_PASSWORD)] = ""
    most_openings: Annotated[Count | None, documented(minimum=1, maximum=links.MOST_OPENINGS)] = None
    sound: bool = True
    download: bool = False
    origins: list[Text] = []
    start: Seconds | None = None
    end: Seconds | None = None

    @property
    def wanted(self) -> links.LinkOptions:
        expiry = self.expires_at if "expires_at" in self.model_fields_set else links.usual_expiry()
        return links.LinkOptions(
            label=self.label,
            expires_at=expiry,
            password=self.password,
            most_openings=self.most_openings,
            with_sound=self.sound,
            with_download=self.download,
            start=self.start,
            end=self.end,
            level=self.level,
            email=self.email,
            origins=self.origins,
        )


class SharesOf(RequestBody):
    """The address of the member whose links are meant."""

    made_by: Text


class ShareBody(TypedDict):
    """A link, without its secret. `start` and `end` are seconds of the recording; null for all of it."""

    id: str
    recording: str
    label: str
    email: str | None
    mailed_at: str | None
    level: str
    state: State
    created_at: str
    created_by: str | None
    expires_at: str | None
    revoked_at: str | None
    password: bool
    most_openings: int | None
    openings: int
    last_opened_at: str | None
    sound: bool
    download: bool
    origins: list[str]
    start: float | None
    end: float | None


class ShareLinkBody(ShareBody):
    """With the link, which is shown this once; null for a guest's, who gets it by e-mail."""

    url: str | None


class VisitorBody(TypedDict):
    """Who opened a link. `id` stands for a client address, and is another one for each link."""

    id: str
    first_at: str
    last_at: str
    openings: int


class ShareDetailBody(ShareBody):
    """With those who opened it last, 100 at most."""

    visitors: list[VisitorBody]


class DeletedBody(TypedDict):
    """How many comments were deleted."""

    deleted: int


class RevokedBody(TypedDict):
    """How many links were ended."""

    revoked: int
