"""What Alice shares, and Guest, who has no account and no cookie of a sign-in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character, MakeMedia
from tests.portal.web.conftest import make_transcription
from transcription import media
from transcription.media import storage
from transcription.models import Recording, Segment, Speaker, Transcription
from transcription.shares import links
from transcription.shares.links import LinkOptions
from transcription.transcripts import striking
from transcription.transcripts.revisions import list_tag

WORDS = "Alfa bravo charlie delta. Echo foxtrot golf hotel. India juliett kilo lima."
"""A second each, without gaps."""

Share = Callable[..., str]
LOW, HIGH = 300, 2000
SECRET_TITLE = "The source is Jane"


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
            return f"/s/{links.create(who.actor, interview.recording_id, LinkOptions(**wanted)).secret}/"

    return make


@pytest.fixture
def guest() -> Client:
    return Client(enforce_csrf_checks=True, REMOTE_ADDR="203.0.113.9")


@pytest.fixture
def sent(make_media: MakeMedia) -> Path:
    """An MP3 of twelve seconds with a title: a high tone from 4 to 8, a low one around it."""
    tone = f"aevalsrc=sin(2*PI*t*if(between(t\\,4\\,8)\\,{HIGH}\\,{LOW})):d=12:s=44100"
    return make_media("tones.mp3", "-f", "lavfi", "-i", tone, "-q:a", "5", "-metadata", f"title={SECRET_TITLE}")


@pytest.fixture
def recording(interview: Transcription, sent: Path) -> Recording:
    """The interview with that file in the storage."""
    store(interview.recording, sent, "mp3")
    return interview.recording


def store(row: Recording, sent: Path, container: str) -> None:
    """Makes a file the one that was sent as a recording."""
    key = storage.recording_key(row.tenant_id, row.id)
    path = storage.local_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(sent, path)
    with scope.bound(row.tenant_id):
        Recording.objects.filter(id=row.id).update(storage_key=key, format=container)
        row.refresh_from_db()


def loudness(sound: bytes, folder: Path) -> dict[int, float]:
    """Returns the share of the energy that lies around each tone."""
    file = folder / "heard.m4a"
    file.write_bytes(sound)
    pcm = np.frombuffer(b"".join(media.decode(file, "mov,mp4,m4a,3gp,3g2,mj2", 60)), np.int16).astype(float)
    energy = np.abs(np.fft.rfft(pcm)) ** 2
    frequencies = np.fft.rfftfreq(len(pcm), 1 / media.SAMPLE_RATE)
    return {tone: float(energy[abs(frequencies - tone) < 100].sum() / energy.sum()) for tone in (LOW, HIGH)}


def heard(client: Client, path: str, **headers: str) -> bytes:
    answer: Any = client.get(f"{path}sound", headers=headers)
    assert answer.status_code in (200, 206)
    return b"".join(answer)


def strike(alice: Character, row: Transcription, *seconds: float) -> None:
    with scope.bound(alice.tenant.id):
        row.refresh_from_db()
        striking.strike(alice.actor, row.id, (seconds[0], seconds[1]), {list_tag(row)})
