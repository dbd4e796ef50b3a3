"""Webhooks and what is sent to them."""

from __future__ import annotations

from typing import Literal, TypedDict

from portal.api.native.parsing import RequestBody, Text
from portal.api.native.schemas.failures import Failure


class NewWebhook(RequestBody):
    """A webhook to create. Without `events`, all are sent."""

    url: Text
    description: Text = ""
    events: list[Text] = []
    only_by_rules: bool = False


class WebhookChanges(RequestBody):
    """The changes to a webhook."""

    url: Text | None = None
    description: Text | None = None
    events: list[Text] | None = None
    only_by_rules: bool | None = None
    status: Literal["active", "paused"] | None = None


class Pause(TypedDict):
    """Why and since when a webhook is paused."""

    code: str
    message: str
    since: str | None


class WebhookBody(TypedDict):
    """An endpoint of the tenant's. `events` is empty where all are sent.

    One that is told `only_by_rules` gets events of recordings alone for which a rule names it.
    """

    id: str
    url: str
    description: str
    events: list[str]
    only_by_rules: bool
    status: str
    paused: Pause | None
    failing_since: str | None
    old_secret_until: str | None
    created_at: str | None


class WebhookSecretBody(WebhookBody):
    """With the secret, which is shown this once."""

    secret: str


class WebhooksBody(TypedDict):
    """All of the tenant, oldest first."""

    results: list[WebhookBody]


class Event(TypedDict):
    """What a delivery tells: its id is the message's `webhook-id`."""

    id: str
    type: str
    created_at: str | None


class DeliveryBody(TypedDict):
    """An event on its way to a webhook."""

    id: str
    event: Event
    status: str
    attempts: int
    created_at: str | None
    next_attempt_at: str | None
    finished_at: str | None
    response_status: int | None
    error: Failure | None


class AttemptBody(TypedDict):
    """One try. `response` is how the receiver's answer begins."""

    started_at: str | None
    seconds: float
    response_status: int | None
    response: str
    error: Failure | None


class DeliveryDetailBody(DeliveryBody):
    """With the message itself and every attempt."""

    body: str
    log: list[AttemptBody]
