"""A tenant's API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, TypedDict, cast

from pydantic import BeforeValidator, Field

from portal.api.native.datetimes import read_datetime
from portal.api.native.parsing import RequestBody, Text, documented
from tenants import api_keys
from tenants.models import KeyScope

Name = Annotated[Text, documented(maxLength=api_keys.LONGEST_NAME)]


class KeyChanges(RequestBody):
    """The changes to a key. Null are `expires_at` of one that doesn't expire, and `folders` of one that sees all."""

    knows_null: ClassVar[bool] = True
    name: Name = ""
    expires_at: Annotated[datetime | None, BeforeValidator(read_datetime)] = None
    addresses: list[Text] = []
    folders: list[Text] | None = None

    @property
    def sent(self) -> api_keys.Changes:
        """The fields that came."""
        return cast("api_keys.Changes", self.model_dump(exclude_unset=True))


class NewKey(KeyChanges):
    """A key to create."""

    name: Name
    scope: Annotated[Text, documented(enum=KeyScope.values)] = KeyScope.WRITE


class KeyRotation(RequestBody):
    """How long the secret from before stays valid."""

    grace_seconds: Annotated[int, Field(ge=0, le=int(api_keys.LONGEST_GRACE.total_seconds()))] = int(
        api_keys.GRACE.total_seconds()
    )

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_seconds)


class OldSecret(TypedDict):
    """The secret from before the last rotation, as long as it opens."""

    prefix: str | None
    until: str | None
    last_used_at: str | None


class KeyBody(TypedDict):
    """A program's way in, without its secret."""

    id: str
    name: str
    prefix: str
    scope: str
    state: str
    addresses: list[str]
    folders: list[str] | None
    created_at: str
    created_by: str | None
    creator_status: Literal["member", "operator", "inactive", "gone"] | None
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    old_secret: OldSecret | None


class KeySecretBody(KeyBody):
    """With its secret, which is shown this once."""

    secret: str
