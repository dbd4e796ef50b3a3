"""A tenant's folders and buckets, for programs: where exports go and files come from, and how that goes."""

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
from portal.api.native.schemas.places import (
    ArrivalBody,
    NewPlace,
    PlaceBody,
    PlaceChanges,
    PlaceDeliveryBody,
    PlacesBody,
    PlaceTrialBody,
)
from portal.api.native.tenant_view import TenantView
from transcription.exchange import deliveries, places, trial
from transcription.exchange.models import Arrival, Delivery, Place
from transcription.inbox import arrivals
from transcription.outbound.errors import OutboundError

STATUS = parameters.Choice("status", "Only those.", Delivery.State.values)
ARRIVED = parameters.Choice("status", "Only those.", Arrival.State.values)


class PlacesView(TenantView):
    """POST a new one, to which nothing connects yet; GET all of the tenant by their names."""

    @operation("listPlaces", "The folders and buckets", {200: PlacesBody})
    def get(self, request: Request) -> Response:
        return Response({"results": [place_fields(row) for row in places.visible(self.actor)]})

    @operation("createPlace", "Make a folder or bucket", {201: PlaceBody}, body={JSON: NewPlace})
    def post(self, request: Request) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(places.PERMISSION)
        row = places.create(self.actor, parse_body(request, NewPlace).wanted)
        return Response(place_fields(row), 201, headers={"Location": f"/api/v1/places/{row.id}"})


class PlaceView(TenantView):
    """GET, PATCH or DELETE one; what lies there stays."""

    @operation("retrievePlace", "One folder or bucket", {200: PlaceBody})
    def get(self, request: Request, place_id: UUID) -> Response:
        return Response(place_fields(places.get(self.actor, place_id)))

    @operation("updatePlace", "Change, pause or resume a folder or bucket", {200: PlaceBody}, body={JSON: PlaceChanges})
    def patch(self, request: Request, place_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(places.PERMISSION)
        changes = parse_body(request, PlaceChanges).sent
        return Response(place_fields(places.change_some(self.actor, place_id, changes)))

    @operation("deletePlace", "Delete a folder or bucket here", {204: None})
    def delete(self, request: Request, place_id: UUID) -> Response:
        places.delete(self.actor, place_id)
        return Response(status=204)


class TrialView(TenantView):
    """POST to write a file there, which is deleted again, and to look into a watched one."""

    @operation("testPlace", "Try whether a folder or bucket works", {200: PlaceTrialBody})
    def post(self, request: Request, place_id: UUID) -> Response:
        try:
            trial.carry_out(self.actor, place_id)
        except OutboundError as error:
            failure = {"code": error.code, "message": str(error)}
            return Response(PlaceTrialBody(works=False, error=failure))  # type: ignore[typeddict-item]
        return Response(PlaceTrialBody(works=True, error=None))


class PlaceDeliveriesView(TenantView):
    """GET the exports for one, newest first."""

    @operation(
        "listPlaceDeliveries",
        "The exports for a folder or bucket, newest first",
        {200: listing(PlaceDeliveryBody)},
        parameters=[*PAGE, STATUS],
    )
    def get(self, request: Request, place_id: UUID) -> Response:
        """Raises InvalidOption."""
        status, rows = STATUS.read(request), deliveries.of_place(self.actor, place_id)
        return newest_first(rows.filter(state=status) if status else rows, request, self, delivery_fields)


class AgainView(TenantView):
    """POST to have exports written again, with what the text is by then."""

    @operation("repeatPlaceDelivery", "Write exports again", {202: PlaceDeliveryBody})
    def post(self, request: Request, place_id: UUID, delivery_id: UUID) -> Response:
        return Response(delivery_fields(deliveries.again(self.actor, place_id, delivery_id)), 202)


class ArrivalsView(TenantView):
    """GET the files that came from one, newest first."""

    @operation(
        "listArrivals",
        "The files from a watched folder or bucket, newest first",
        {200: listing(ArrivalBody)},
        parameters=[*PAGE, ARRIVED],
    )
    def get(self, request: Request, place_id: UUID) -> Response:
        """Raises InvalidOption."""
        status, rows = ARRIVED.read(request), arrivals.of_place(self.actor, place_id)
        return newest_first(rows.filter(state=status) if status else rows, request, self, arrival_fields)


def place_fields(row: Place) -> PlaceBody:
    return {
        "id": str(row.id),
        "name": row.name,
        "kind": row.kind,
        "path": row.path,
        "endpoint": row.endpoint,
        "bucket": row.bucket,
        "region": row.region,
        "key_id": row.key_id,
        "has_secret": bool(row.sealed_secret),
        "watched": row.is_watched,
        "paused": row.is_paused,
        "senders": row.senders.split(),
        "trust": row.trust if row.kind == Place.Kind.MAILBOX else None,
        "authserv_id": row.authserv_id,
        "folder": str(row.folder_id) if row.folder_id else None,
        "failures": row.failures,
        "error": row.last_error or None,
        "retry_at": rfc3339(row.not_before) if row.failures else None,
        "created_at": rfc3339(row.created_at),
    }


def delivery_fields(row: Delivery) -> PlaceDeliveryBody:
    waits = row.state == Delivery.State.PENDING
    return {
        "id": str(row.id),
        "recording": str(row.recording_id),
        "formats": row.formats,
        "status": row.state,
        "attempts": row.attempts_made,
        "created_at": rfc3339(row.created_at),
        "next_attempt_at": rfc3339(row.next_attempt_at) if waits else None,
        "finished_at": rfc3339(row.finished_at),
        "error": row.last_error or None,
    }


def arrival_fields(row: Arrival) -> ArrivalBody:
    is_over = row.state in (Arrival.State.DONE, Arrival.State.FAILED)
    return {
        "id": str(row.id),
        "name": row.path,
        "sender": row.sender or None,
        "bytes": row.size,
        "status": row.state,
        "attempts": row.attempts_made,
        "recording": str(row.recording_id) if row.recording_id else None,
        "created_at": rfc3339(row.created_at),
        "next_attempt_at": None if is_over else rfc3339(row.next_attempt_at),
        "finished_at": rfc3339(row.finished_at),
        "error": row.last_error or None,
    }


urls = [
    path("places", PlacesView.as_view(), name="native_places"),
    path("places/<uuid:place_id>", PlaceView.as_view(), name="native_place"),
    path("places/<uuid:place_id>/test", TrialView.as_view(), name="native_test_place"),
    path("places/<uuid:place_id>/deliveries", PlaceDeliveriesView.as_view(), name="native_place_deliveries"),
    path(
        "places/<uuid:place_id>/deliveries/<uuid:delivery_id>/again",
        AgainView.as_view(),
        name="native_repeat_place_delivery",
    ),
    path("places/<uuid:place_id>/arrivals", ArrivalsView.as_view(), name="native_arrivals"),
]
