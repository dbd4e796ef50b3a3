"""Keeps which sessions a person has, on which devices they were seen, and when: rows of allauth.usersessions."""

from __future__ import annotations

from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone

from tenants.models import User

MOST = 50
"""Sessions of one person; with the next one the one that was not seen for longest ends."""

NOTED_SECONDS = 300
"""How often a session is noted that goes on, by each web process."""

BATCH = 1000
BEING_MADE = timedelta(minutes=10)
"""A row that is younger may be of a session that is being made."""


def begin(request: HttpRequest, user: User) -> None:
    """Notes the session of somebody who has just signed in."""
    UserSession.objects.create_from_request(request)
    for row in UserSession.objects.filter(user=user).order_by("-last_seen_at", "-id")[MOST:]:
        row.end()


def note(request: HttpRequest) -> None:
    """Notes when and from where a session's request came, now and then."""
    if cache.add(noted_key(request.session.session_key), True, NOTED_SECONDS):
        UserSession.objects.create_from_request(request)


def noted_key(session_key: str | None) -> str:
    """Returns what the cache knows a session by that was noted lately."""
    return f"session-noted-{session_key}"


def sessions_of(user: User) -> list[UserSession]:
    """Returns the sessions that go on, the last seen first."""
    rows: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(rows, key=lambda row: row.last_seen_at, reverse=True)


def end(user: User, kept: str | None = None) -> None:
    """Ends all sessions of somebody, but the one with the key `kept`."""
    for row in UserSession.objects.filter(user=user).exclude(session_key=kept or ""):
        row.end()


def forget_old() -> int:
    """Deletes sessions that expired, and what is known of those that ended. Returns how many."""
    expired, deleted = Session.objects.filter(expire_date__lt=timezone.now()), 0
    while keys := list(expired.values_list("pk", flat=True)[:BATCH]):
        deleted += Session.objects.filter(pk__in=keys).delete()[0]
    going_on = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(~Exists(going_on), last_seen_at__lt=timezone.now() - BEING_MADE).delete()
    return deleted
