"""A tenant's webhooks and their deliveries, for programs."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import JSON, listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import parse_body
from portal.api.native.representations import rfc3339
from portal.api.native.schemas.failures import Failure
from portal.api.native.schemas.webhooks import (
    AttemptBody,
    DeliveryBody,
    DeliveryDetailBody,
    Event,
    NewWebhook,
    Pause,
    WebhookBody,
    WebhookChanges,
    WebhooksBody,
    WebhookSecretBody,
)
from portal.api.native.tenant_view import TenantView
from transcription.webhooks import deliveries, endpoints
from transcription.webhooks.endpoints import Shown
from transcription.webhooks.failures import reason_for_people
from transcription.webhooks.models import Attempt, Delivery, Endpoint

STATUS = parameters.Choice("status", "Only those.", Delivery.State.values)
NO_STORE = {"Cache-Control": "no-store"}


class WebhooksView(TenantView):
    """POST a new one, whose secret is shown this once; GET all of the tenant, oldest first."""

    @operation("listWebhooks", "The webhooks", {200: WebhooksBody})
    def get(self, request: Request) -> Response:
        return Response({"results": [endpoint_fields(row) for row in endpoints.visible(self.actor)]})

    @operation(
        "createWebhook",
        "Make a webhook",
        {201: WebhookSecretBody},
        body={JSON: NewWebhook},
        description="Its secret is shown this once.",
    )
    def post(self, request: Request) -> Response:
        self.actor.require(endpoints.PERMISSION)
        new = parse_body(request, NewWebhook)
        shown = endpoints.create(self.actor, new.url, new.description, new.events, new.only_by_rules)
        location = {"Location": f"/api/v1/webhooks/{shown.endpoint.id}"}
        return Response(_with_secret(shown), 201, headers=location | NO_STORE)


class WebhookView(TenantView):
    """GET, PATCH or DELETE one. `status` is changed between "active" and "paused"."""

    @operation("retrieveWebhook", "One webhook", {200: WebhookBody})
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        return Response(endpoint_fields(endpoints.get(self.actor, endpoint_id)))

    @operation(
        "updateWebhook",
        "Change, pause or resume a webhook",
        {200: WebhookBody},
        body={JSON: WebhookChanges},
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        changes = parse_body(request, WebhookChanges)
        wanted = (changes.url, changes.description, changes.events, changes.only_by_rules)
        row = endpoints.change(self.actor, endpoint_id, *wanted)
        if changes.status == "paused":
            row = endpoints.pause(self.actor, endpoint_id)
        elif changes.status == "active" and row.is_paused:
            row = endpoints.resume(self.actor, endpoint_id)
        return Response(endpoint_fields(row))

    @operation("deleteWebhook", "Delete a webhook", {204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        endpoints.delete(self.actor, endpoint_id)
        return Response(status=204)


class RotateView(TenantView):
    """POST for a new secret; the old one signs along for a day."""

    @operation("rotateWebhook", "A new secret; the old one signs along for a day", {200: WebhookSecretBody})
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        return Response(_with_secret(endpoints.rotate(self.actor, endpoint_id)), headers=NO_STORE)


class TestView(TenantView):
    """POST to send a test event."""

    @operation("testWebhook", "Send a test event", {202: DeliveryBody})
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        row = endpoints.test(self.actor, endpoint_id)
        location = {"Location": f"/api/v1/webhooks/{endpoint_id}/deliveries/{row.id}"}
        return Response(delivery_fields(row), 202, headers=location)


class DeliveriesView(TenantView):
    """GET the deliveries of one webhook, newest first."""

    @operation(
        "listDeliveries",
        "The deliveries of a webhook, newest first",
        {200: listing(DeliveryBody)},
        parameters=[*PAGE, STATUS],
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Raises InvalidOption."""
        status = STATUS.read(request)
        return newest_first(deliveries.log_of(self.actor, endpoint_id, status), request, self, delivery_fields)


class DeliveryView(TenantView):
    """GET one delivery with its message and its attempts."""

    @operation("retrieveDelivery", "One delivery with its message and its attempts", {200: DeliveryDetailBody})
    def get(self, request: Request, endpoint_id: UUID, delivery_id: UUID) -> Response:
        row = deliveries.get(self.actor, endpoint_id, delivery_id)
        log = [_attempt_fields(one) for one in row.attempts.all()]
        return Response(DeliveryDetailBody(**delivery_fields(row), body=row.event.body, log=log))


class ReplayView(TenantView):
    """POST to send a delivery again, under the same id."""

    @operation("replayDelivery", "Send a delivery again, under the same id", {202: DeliveryBody})
    def post(self, request: Request, endpoint_id: UUID, delivery_id: UUID) -> Response:
        return Response(delivery_fields(deliveries.replay(self.actor, endpoint_id, delivery_id)), 202)


def endpoint_fields(row: Endpoint) -> WebhookBody:
    """Returns an endpoint's fields. `events` is empty where all are sent."""
    paused = Pause(code=row.pause, message=endpoints.why_paused(row), since=rfc3339(row.paused_at))
    return {
        "id": str(row.id),
        "url": row.url,
        "description": row.description,
        "events": row.events,
        "only_by_rules": row.only_by_rules,
        "status": "paused" if row.is_paused else "active",
        "paused": paused if row.is_paused else None,
        "failing_since": rfc3339(row.failing_since),
        "old_secret_until": rfc3339(row.old_until),
        "created_at": rfc3339(row.created_at),
    }


def delivery_fields(row: Delivery) -> DeliveryBody:
    waits = row.state == Delivery.State.PENDING
    return {
        "id": str(row.id),
        "event": Event(id=row.event.message_id, type=row.event.type, created_at=rfc3339(row.event.created_at)),
        "status": row.state,
        "attempts": row.attempts_made,
        "created_at": rfc3339(row.created_at),
        "next_attempt_at": rfc3339(row.next_attempt_at) if waits else None,
        "finished_at": rfc3339(row.finished_at),
        "response_status": row.last_status,
        "error": _error(row.last_error, row.last_status),
    }


def _attempt_fields(row: Attempt) -> AttemptBody:
    return {
        "started_at": rfc3339(row.started_at),
        "seconds": round(row.seconds, 3),
        "response_status": row.status,
        "response": row.response,
        "error": _error(row.error, row.status),
    }


def _error(code: str, status: int | None) -> Failure | None:
    return {"code": code, "message": reason_for_people(code, status)} if code else None


def _with_secret(shown: Shown) -> WebhookSecretBody:
    return WebhookSecretBody(**endpoint_fields(shown.endpoint), secret=shown.secret)


urls = [
    path("webhooks", WebhooksView.as_view(), name="native_webhooks"),
    path("webhooks/<uuid:endpoint_id>", WebhookView.as_view(), name="native_webhook"),
    path("webhooks/<uuid:endpoint_id>/rotate", RotateView.as_view(), name="native_rotate_webhook"),
    path("webhooks/<uuid:endpoint_id>/test", TestView.as_view(), name="native_test_webhook"),
    path("webhooks/<uuid:endpoint_id>/deliveries", DeliveriesView.as_view(), name="native_deliveries"),
    path("webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>", DeliveryView.as_view(), name="native_delivery"),
    path(
        "webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/replay",
        ReplayView.as_view(),
        name="native_replay_delivery",
    ),
]
