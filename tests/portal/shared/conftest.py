"""What Alice shares, and Guest, who has no account and no cookie of a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription.models import Recording, Segment, Speaker, Transcription
from transcription.shares import links
from transcription.shares.links import Wanted

WORDS = "Alfa bravo charlie delta. Echo foxtrot golf hotel. India juliett kilo lima."
"""A second each, without gaps."""

Share = Callable[..., str]


def make_interview(who: Character) -> Transcription:
    """Three segments of four timed words, which two people speak."""
    row = make_transcription(who.tenant, "Interview with a source.mp3", speakers="auto")
    with scope.bound(who.tenant.id):
        Recording.objects.filter(id=row.recording_id).update(duration_seconds=12.0, peaks=list(range(12)))
        Segment.objects.filter(transcription=row).delete()
        for index in range(3):
            spoken = WORDS.split()[4 * index : 4 * index + 4]
            start = 4.0 * index
            Segment.objects.create(
                tenant=who.tenant,
                transcription=row,
                index=index,
                start=start,
                end=start + 4,
                text=" " + " ".join(spoken),
                tokens=[1, 2, 3],
                words=[
                    {"word": f" {word}", "start": start + at, "end": start + at + 1, "probability": 0.9}
                    for at, word in enumerate(spoken)
                ],
                speaker=index % 2,
                checks=[[0, 3, f"user:{who.user.pk}", "2026-11-29T10:00:00+00:00"]],
            )
        for index, name in enumerate(("Dr. Snow", "Ms. Rain")):
            Speaker.objects.create(tenant=who.tenant, transcription=row, index=index, name=name, colour=index)
        checked = {"words": 12, "by": {f"user:{who.user.pk}": 12}, "at": "2026-11-29T10:00:00+00:00"}
        Transcription.objects.filter(id=row.id).update(text=WORDS, hotwords="A secret plan", checked=checked)
    row.refresh_from_db()
    return row


@pytest.fixture
def interview(alice: Character) -> Transcription:
    return make_interview(alice)


@pytest.fixture
def share(alice: Character, interview: Transcription) -> Share:
    """Makes a link to the interview, and returns its path."""

    def make(who: Character = alice, **wanted: Any) -> str:
        with scope.bound(who.tenant.id):
            return f"/s/{links.create(who.actor, interview.recording_id, Wanted(**wanted)).secret}/"

    return make


@pytest.fixture
def guest() -> Client:
    return Client(enforce_csrf_checks=True, REMOTE_ADDR="203.0.113.9")
