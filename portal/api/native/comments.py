"""Comments on passages of a recording, for programs."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import JSON, listing, operation
from portal.api.native.originals import REDACTED, wants_original
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import check_not_both, parse_body
from portal.api.native.representations import rfc3339
from portal.api.native.schemas.comments import CommentBody, CommentChanges, NewComment, ThreadBody
from portal.api.native.schemas.segments import SECONDS, WORDS
from portal.api.native.tenant_view import TenantView
from tenants.access import Actor
from transcription.comments import threads
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.models import Comment
from transcription.strikes.spans import Span
from transcription.transcripts import striking
from transcription.transcripts.striking import Words

STATE = parameters.Choice("state", "Only open, or only resolved ones.", threads.STATES)


class CommentsView(TenantView):
    """GET what is said about a recording; POST one more."""

    @operation(
        "listComments",
        "The comments on a recording",
        {200: listing(ThreadBody)},
        parameters=[STATE, *PAGE],
        description="Threads by their place, each with its replies.",
    )
    def get(self, request: Request, recording_id: UUID) -> Response:
        found = threads.threads(self.actor, recording_id, STATE.read(request))
        return newest_first(found, request, self, thread_fields, threads.ORDER)

    @operation(
        "createComment",
        "Comment on a passage, or reply",
        {201: CommentBody},
        body={JSON: NewComment},
        parameters=[REDACTED],
    )
    def post(self, request: Request, recording_id: UUID) -> Response:
        self.actor.require(threads.PERMISSION)
        recordings.recording(self.actor, recording_id)
        new = parse_body(request, NewComment)
        check_not_both(new, ("parent",), (*SECONDS, "transcription", *WORDS))
        check_not_both(new, WORDS, SECONDS)
        if new.parent is not None:
            row = threads.reply(self.actor, recording_id, new.parent, new.text)
        else:
            span = _seconds(self.actor, recording_id, new, original=wants_original(self.actor, request))
            row = threads.comment(self.actor, recording_id, *span, new.text, new.colour)
        return Response(comment_fields(row), 201, headers={"Location": f"{request.path}/{row.id}"})


class CommentView(TenantView):
    """PATCH or DELETE one."""

    @operation("updateComment", "Change or resolve a comment", {200: CommentBody}, body={JSON: CommentChanges})
    def patch(self, request: Request, recording_id: UUID, comment_id: UUID) -> Response:
        self.actor.require(threads.PERMISSION)
        recordings.recording(self.actor, recording_id)
        wanted = parse_body(request, CommentChanges)
        with transaction.atomic():  # all of it, or nothing
            if wanted.text is not None or wanted.colour is not None or wanted.resolved is None:
                row = threads.change(self.actor, recording_id, comment_id, wanted.text, wanted.colour)
            if wanted.resolved is not None:
                row = threads.resolve(self.actor, recording_id, comment_id, again=not wanted.resolved)
        return Response(comment_fields(row))

    @operation("deleteComment", "Delete a comment with its replies", {204: None})
    def delete(self, request: Request, recording_id: UUID, comment_id: UUID) -> Response:
        threads.delete(self.actor, recording_id, comment_id)
        return Response(status=204)


def _seconds(actor: Actor, recording_id: UUID, new: NewComment, *, original: bool) -> Span:
    """Raises Http404 and InvalidOption."""
    if new.transcription is not None and new.first is not None:
        words = Words(new.first, new.position, new.first if new.last is None else new.last, new.until)
        row, span = striking.passage(actor, new.transcription, words, original=original)
        if row.recording_id == recording_id:
            return span
    if new.start is not None and new.end is not None:
        return new.start, new.end
    raise InvalidOption("start", _("Name the seconds by “start” and “end”, or words by “transcription” and “first”."))


def comment_fields(row: Comment) -> CommentBody:
    return {
        "id": str(row.id),
        "parent": str(row.parent_id) if row.parent_id else None,
        "start": row.start,
        "end": row.end,
        "text": row.text,
        "colour": row.colour,
        "by": row.author or None,
        "made_at": row.made_at.isoformat(),
        "edited_at": rfc3339(row.edited_at),
        "resolved_at": rfc3339(row.resolved_at),
        "resolved_by": row.resolver or None,
        "mentions": [mention.user.email for mention in row.mentions.all()],
    }


def thread_fields(row: Comment) -> ThreadBody:
    return {**comment_fields(row), "replies": [comment_fields(reply) for reply in row.replies.all()]}


urls = [
    path("recordings/<uuid:recording_id>/comments", CommentsView.as_view(), name="native_comments"),
    path("recordings/<uuid:recording_id>/comments/<uuid:comment_id>", CommentView.as_view(), name="native_comment"),
]
