"""Folders, buckets and mailboxes, what is written to them, and what comes from them."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from pydantic import BeforeValidator

from portal.api.native.parsing import RequestBody, Text, documented
from portal.api.native.schemas.failures import Failure
from transcription.exchange.models import Place
from transcription.exchange.places import LONGEST, PlaceSettings

Name = Annotated[Text, documented(minLength=1, maxLength=LONGEST["name"])]
Kind = Annotated[Text, documented(enum=Place.Kind.values)]


def _listed(sent: Any) -> Any:
    """Takes a text with spaces between its words for a list, too."""
    return sent.split() if isinstance(sent, str) else sent


Senders = Annotated[list[Text], BeforeValidator(_listed), documented(description="Addresses and domains.")]
Trust = Annotated[Text, documented(enum=Place.Trust.values)]
Secret = Annotated[Text, documented(maxLength=LONGEST["secret"], writeOnly=True)]
COLUMNS = {"watched": "is_watched", "paused": "is_paused"}


class NewPlace(RequestBody):
    """A folder, bucket or mailbox to make. `endpoint`, `bucket`, `region`, `key_id` and `secret` are of buckets.

    Of mailboxes are `endpoint` (its server), `key_id` (the user), `secret` (the password), `path` (the folder there),
    `senders`, `trust`, `authserv_id` and `folder`, a name or an id.
    """

    name: Name
    kind: Kind
    path: Text = ""
    endpoint: Text = ""
    bucket: Text = ""
    region: Text = ""
    key_id: Text = ""
    secret: Secret = ""
    watched: bool = False
    paused: bool = False
    senders: Senders = []
    trust: Trust = Place.Trust.DMARC.value
    authserv_id: Text = ""
    folder: Text = ""

    @property
    def wanted(self) -> PlaceSettings:
        return PlaceSettings(**_by_column(self.model_dump()))


class PlaceChanges(RequestBody):
    """The changes to a folder or bucket. The `secret` stays where none is sent."""

    name: Name = ""
    kind: Kind = ""
    path: Text = ""
    endpoint: Text = ""
    bucket: Text = ""
    region: Text = ""
    key_id: Text = ""
    secret: Secret = ""
    watched: bool = False
    paused: bool = False
    senders: Senders = []
    trust: Trust = Place.Trust.DMARC.value
    authserv_id: Text = ""
    folder: Text = ""

    @property
    def sent(self) -> dict[str, Any]:
        """The settings that came."""
        return _by_column(self.model_dump(exclude_unset=True))


class PlaceBody(TypedDict):
    """A folder or bucket of the tenant's, without its secret. `error` is why it fails now."""

    id: str
    name: str
    kind: str
    path: str
    endpoint: str
    bucket: str
    region: str
    key_id: str
    has_secret: bool
    watched: bool
    paused: bool
    senders: list[str]
    trust: str | None
    authserv_id: str
    folder: str | None
    failures: int
    error: str | None
    retry_at: str | None
    created_at: str | None


class PlacesBody(TypedDict):
    """All of the tenant, by their names."""

    results: list[PlaceBody]


class PlaceTrialBody(TypedDict):
    """Whether a file could be written, and a watched place be looked into."""

    works: bool
    error: Failure | None


class PlaceDeliveryBody(TypedDict):
    """A recording's exports on their way to a folder or bucket."""

    id: str
    recording: str
    formats: list[str]
    status: str
    attempts: int
    created_at: str | None
    next_attempt_at: str | None
    finished_at: str | None
    error: str | None


class ArrivalBody(TypedDict):
    """A file of a watched folder or bucket, or an attachment, and the recording that it became."""

    id: str
    name: str
    sender: str | None
    bytes: int
    status: str
    attempts: int
    recording: str | None
    created_at: str | None
    next_attempt_at: str | None
    finished_at: str | None
    error: str | None


def _by_column(fields: dict[str, Any]) -> dict[str, Any]:
    named = {COLUMNS.get(name, name): value for name, value in fields.items()}
    return named | ({"senders": " ".join(fields["senders"])} if "senders" in fields else {})
