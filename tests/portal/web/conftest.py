"""Recordings in the database, with nothing in the storage: pages need no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from tenants import account_mails, scope, user_sessions
from tenants.models import Member, Tenant, User
from tests.conftest import Character
from transcription.media import storage
from transcription.models import Recording, Segment, Status, SubtitledVideo, Task, Transcription

Make = Callable[..., Transcription]
Mailed = Callable[[str], list[str]]


def make_transcription(
    tenant: Tenant, name: str = "Board meeting.mp3", status: str = Status.COMPLETED, **fields: Any
) -> Transcription:
    with scope.bound(tenant.id):
        recording = Recording.objects.create(
            tenant=tenant,
            name=name,
            source=Recording.Source.UPLOAD,
            storage_key="nowhere",
            format="mp3",
            bytes=1_600_000,
            sha256="0" * 64,
            duration_seconds=100.4,
        )
        row = Transcription.objects.create(
            tenant=tenant,
            recording=recording,
            model="base",
            status=status,
            detected_language="en",
            finished_at=timezone.now() if status == Status.COMPLETED else None,
            **fields,
        )
        for index, text in enumerate(("Good morning.", "There are <b>two</b> risks.")):
            Segment.objects.create(
                tenant=tenant, transcription=row, index=index, start=index * 4.0, end=index * 4.0 + 3.5, text=text
            )
    return row


def make_rehearing(row: Transcription) -> Transcription:
    """The first line of a transcript, heard again without a word."""
    with scope.bound(row.tenant_id):
        return Transcription.objects.create(
            tenant=row.tenant,
            recording=row.recording,
            model="base",
            status=Status.COMPLETED,
            finished_at=timezone.now(),
            rehears=row,
            range_end=3.5,
        )


def make_translation(row: Transcription, *texts: str) -> Transcription:
    """A translation beside a transcript, of four seconds a line."""
    with scope.bound(row.tenant_id):
        made = Transcription.objects.create(
            tenant=row.tenant,
            recording=row.recording,
            model="base",
            task=Task.TRANSLATE,
            language="de",
            status=Status.COMPLETED,
            finished_at=timezone.now(),
            translates=row,
        )
        Segment.objects.bulk_create(
            Segment(tenant=row.tenant, transcription=made, index=n, start=n * 4.0, end=n * 4.0 + 4.0, text=f" {text}")
            for n, text in enumerate(texts)
        )
    return made


def make_video(row: Transcription) -> SubtitledVideo:
    """A video with subtitles that is there, of two bytes."""
    key = storage.recording_key(row.tenant_id, row.recording_id, f"video-{uuid4()}.mp4")
    path = storage.local_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"ok")
    with scope.bound(row.tenant_id):
        return SubtitledVideo.objects.create(
            tenant=row.tenant,
            recording=row.recording,
            transcription=row,
            kind=SubtitledVideo.Kind.BURNT,
            max_line_length=42,
            max_lines=2,
            key=key,
            bytes=2,
            percent=100,
            finished_at=timezone.now(),
        )


@pytest.fixture
def make() -> Make:
    return make_transcription


def signed_in(client: Client, who: Character) -> Client:
    """Returns the browser of somebody who has opened a page before, so that the session is noted."""
    client.force_login(who.user)
    cache.set(user_sessions.noted_key(client.session.session_key), True)
    return client


@pytest.fixture
def as_alice(client: Client, alice: Character) -> Client:
    return signed_in(client, alice)


@pytest.fixture
def as_bob(alice: Character, bob: Character) -> Client:
    return signed_in(Client(), bob)


@pytest.fixture
def mailed(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Iterator[Mailed]:
    """Returns the mails with some words in their subject, sent once the test asks for them."""
    with ExitStack() as stack:
        stack.enter_context(django_capture_on_commit_callbacks(execute=True))

        def said(words: str) -> list[str]:
            stack.close()
            account_mails.MAILS.submit(bool).result(10)
            return [f"{one.to[0]}: {one.body}" for one in mail.outbox if words in one.subject]

        yield said


def has_confirmed(client: Client) -> None:
    """Whoever is signed in has just shown their second factor again."""
    request: Any = SimpleNamespace(session=client.session)
    record_authentication(request, User.objects.get(pk=request.session["_auth_user_id"]), "mfa", reauthenticated=True)
    request.session.save()


def act_for(client: Client, member: Member, reason: str = "Request 4711") -> User:
    """An operator with a second factor, Olivia, acts for a member."""
    olivia = User.objects.create_superuser("olivia@portal.example", "correct horse")
    Authenticator.objects.create(user=olivia, type="totp", data={"secret": "x"})
    client.force_login(olivia)
    has_confirmed(client)
    answer = client.post(reverse("admin:tenants_member_act", args=[member.pk]), {"reason": reason})
    assert answer.status_code == 302, answer.content.decode()
    return olivia
