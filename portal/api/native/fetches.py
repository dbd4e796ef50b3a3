"""Recordings that are fetched from a URL. `POST /recordings` orders one."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.schemas.fetches import FetchBody
from portal.api.native.tenant_view import TenantView
from portal.api.problems import problem
from transcription.fetches import access
from transcription.fetches.failures import reason_for_people
from transcription.fetches.models import Fetch

STATUS = parameters.Choice("status", "Only those.", Fetch.Status.values)


class FetchesView(TenantView):
    """GET those of the tenant, newest first."""

    @operation(
        "listFetches",
        "Recordings that are fetched by URL, newest first",
        {200: listing(FetchBody)},
        parameters=[*PAGE, STATUS],
    )
    def get(self, request: Request) -> Response:
        """Raises InvalidOption."""
        status = STATUS.read(request)
        return newest_first(access.fetches(self.actor, status), request, self, fetch_fields)


class FetchView(TenantView):
    """GET one."""

    @operation("retrieveFetch", "One of them", {200: FetchBody})
    def get(self, request: Request, fetch_id: UUID) -> Response:
        return Response(fetch_fields(access.fetch(self.actor, fetch_id)))


class CancelFetchView(TenantView):
    """POST to stop one whose file has not arrived yet."""

    @operation("cancelFetch", "Stop one whose file has not arrived yet", {200: FetchBody})
    def post(self, request: Request, fetch_id: UUID) -> Response:
        row, stopped = access.cancel(self.actor, fetch_id)
        if not stopped and row.status in (Fetch.Status.FAILED, Fetch.Status.CANCELLED):
            return problem(409, "already_over", _("It is over: it is %s, and nothing of it is left.") % row.status)
        if not stopped:
            detail = _("It can't be stopped any more: it is %s. Delete the recording instead.") % row.status
            return problem(409, "already_over", detail)
        return Response(fetch_fields(row))


def fetch_fields(row: Fetch) -> FetchBody:
    """Returns a fetch's fields, with the URL without its query.

    `error` is the last attempt's while the fetch waits for another one.
    """
    waits = row.status == Fetch.Status.QUEUED
    return {
        "id": str(row.id),
        "status": row.status,
        "url": row.shown_url,
        "name": row.name or None,
        "folder": str(row.folder_id) if row.folder_id else None,
        "created_at": row.created_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "bytes_received": row.bytes_received,
        "attempts": row.attempts_made,
        "next_attempt_at": row.not_before.isoformat() if waits else None,
        "error": {"code": row.error_code, "message": reason_for_people(row)} if row.error_code else None,
        "recording": str(row.recording_id) if row.recording_id else None,
        "transcription": str(row.transcription_id) if row.transcription_id else None,
    }


urls = [
    path("fetches", FetchesView.as_view(), name="native_fetches"),
    path("fetches/<uuid:fetch_id>", FetchView.as_view(), name="native_fetch"),
    path("fetches/<uuid:fetch_id>/cancel", CancelFetchView.as_view(), name="native_cancel_fetch"),
]
