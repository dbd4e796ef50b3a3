"""Links that show a recording to people without an account, for programs."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import JSON, listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import parse_body
from portal.api.native.representations import rfc3339
from portal.api.native.schemas.shares import (
    DeletedBody,
    NewShare,
    RevokedBody,
    ShareBody,
    ShareDetailBody,
    ShareLinkBody,
    SharesOf,
    VisitorBody,
)
from portal.api.native.tenant_view import TenantView
from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.shares import links, moderation, visitors
from transcription.shares.models import Share, Visitor
from transcription.shares.secrets import address_of

MADE_BY = parameters.Text("made_by", "Only those of the member with this e-mail address.")
GUEST = parameters.Text("guest", "Only what this guest wrote: the name that they gave.")
OPEN = "open"
STATE = parameters.Choice("state", "Only those that work.", [OPEN])
NO_STORE = {"Cache-Control": "no-store"}


class RecordingSharesView(TenantView):
    """POST a link, which is in this answer only; GET those of the recording, newest first."""

    @operation(
        "listRecordingShares", "The share links of a recording", {200: listing(ShareBody)}, parameters=[STATE, *PAGE]
    )
    def get(self, request: Request, recording_id: UUID) -> Response:
        only_open = STATE.read(request) == OPEN
        return newest_first(links.of_recording(self.actor, recording_id, only_open), request, self, share_fields)

    @operation(
        "shareRecording",
        "Make a share link",
        {201: ShareLinkBody},
        body={JSON: NewShare},
        description="Its `url` is in this answer only. Whoever has it needs no account.",
    )
    def post(self, request: Request, recording_id: UUID) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(links.SHARE)
        recordings.recording(self.actor, recording_id)
        shown = links.create(self.actor, recording_id, parse_body(request, NewShare).wanted)
        location = {"Location": f"/api/v1/recordings/{recording_id}/shares/{shown.share.id}"}
        return Response(_with_link(shown), 201, headers=location | NO_STORE)


class RecordingShareView(TenantView):
    """GET one with those who opened it; DELETE ends it for good."""

    @operation("retrieveShare", "One share link, and who opened it", {200: ShareDetailBody})
    def get(self, request: Request, recording_id: UUID, share_id: UUID) -> Response:
        row = share_of(self.actor, recording_id, share_id)
        who = [_visitor_fields(one) for one in visitors.last_of(row)]
        return Response(ShareDetailBody(**share_fields(row), visitors=who))

    @operation("revokeShare", "End a share link at once and for good", {204: None})
    def delete(self, request: Request, recording_id: UUID, share_id: UUID) -> Response:
        """Answers 204 for one that was revoked before, too."""
        links.revoke(self.actor, share_of(self.actor, recording_id, share_id).id)
        return Response(status=204)


class ShareCommentsView(TenantView):
    """DELETE what guests wrote by a link."""

    @operation(
        "deleteShareComments",
        "Delete what guests wrote by a share link, with the answers to it",
        {200: DeletedBody},
        parameters=[GUEST],
    )
    def delete(self, request: Request, recording_id: UUID, share_id: UUID) -> Response:
        """Raises InvalidOption."""
        row, guest = share_of(self.actor, recording_id, share_id), GUEST.read(request)
        if not guest and GUEST.name in request.query_params:  # of whoever forgot the name not all are deleted
            raise InvalidOption(GUEST.name, _("Name a guest, or leave “guest” out."))
        return Response({"deleted": moderation.delete(self.actor, row.id, guest or None)})


class SharesView(TenantView):
    """GET all links of the organisation, newest first."""

    @operation(
        "listShares",
        "The share links of the organisation",
        {200: listing(ShareBody)},
        parameters=[MADE_BY, STATE, *PAGE],
    )
    def get(self, request: Request) -> Response:
        self.actor.require(links.MANAGE)
        maker, state = MADE_BY.read(request), STATE.read(request)
        return newest_first(links.every(self.actor, maker, state == OPEN), request, self, share_fields)


class RevokeView(TenantView):
    """POST whose links are to end."""

    @operation("revokeShares", "End all share links of a member", {200: RevokedBody}, body={JSON: SharesOf})
    def post(self, request: Request) -> Response:
        self.actor.require(links.MANAGE)
        return Response({"revoked": links.revoke_of(self.actor, parse_body(request, SharesOf).made_by)})


class KeepView(TenantView):
    """POST to let a link outlive its maker's leaving."""

    @operation("keepShare", "Let a share link outlive its maker’s leaving", {200: ShareBody})
    def post(self, request: Request, share_id: UUID) -> Response:
        return Response(share_fields(links.keep(self.actor, share_id)))


def share_of(actor: Actor, recording_id: UUID, share_id: UUID) -> Share:
    """Returns a link of a recording. Raises Http404."""
    row = links.get(actor, share_id)
    if row.recording_id != recording_id:
        raise Http404(_("There is no such link."))
    return row


def share_fields(row: Share) -> ShareBody:
    return {
        "id": str(row.id),
        "recording": str(row.recording_id),
        "label": row.label,
        "email": row.email or None,
        "mailed_at": rfc3339(row.mailed_at),
        "level": row.level,
        "state": row.state,
        "created_at": row.created_at.isoformat(),
        "created_by": (row.created_by.email if row.created_by else row.made_by) or None,
        "expires_at": rfc3339(row.expires_at),
        "revoked_at": rfc3339(row.revoked_at),
        "password": bool(row.password),
        "most_openings": row.most_openings,
        "openings": row.openings,
        "last_opened_at": rfc3339(row.last_opened_at),
        "sound": row.with_sound,
        "download": row.with_download,
        "origins": row.origins,
        "start": row.start,
        "end": row.end,
    }


def _with_link(shown: links.Shown) -> ShareLinkBody:
    return ShareLinkBody(**share_fields(shown.share), url=address_of(shown.secret) if shown.secret else None)


def _visitor_fields(row: Visitor) -> VisitorBody:
    return {
        "id": row.digest,
        "first_at": row.first_at.isoformat(),
        "last_at": row.last_at.isoformat(),
        "openings": row.openings,
    }


urls = [
    path("recordings/<uuid:recording_id>/shares", RecordingSharesView.as_view(), name="native_recording_shares"),
    path(
        "recordings/<uuid:recording_id>/shares/<uuid:share_id>",
        RecordingShareView.as_view(),
        name="native_recording_share",
    ),
    path(
        "recordings/<uuid:recording_id>/shares/<uuid:share_id>/comments",
        ShareCommentsView.as_view(),
        name="native_share_comments",
    ),
    path("shares", SharesView.as_view(), name="native_shares"),
    path("shares/revoke", RevokeView.as_view(), name="native_revoke_shares"),
    path("shares/<uuid:share_id>/keep", KeepView.as_view(), name="native_keep_share"),
]
