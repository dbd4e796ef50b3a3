"""Whoever is given a recording's sound stands in the audit log, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import boto3
import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from moto.server import ThreadedMotoServer

from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.media import storage
from transcription.models import Loudness, Recording

pytestmark = pytest.mark.django_db
SOUND = bytes(range(256)) * 40


@pytest.fixture
def sound(alice: Character, make: Make) -> Recording:
    """Alice's, of 10,240 bytes."""
    recording = make(alice.tenant, name="Jahresgespräch.mp3").recording
    path = storage.local_path(recording.storage_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SOUND)
    return recording


@pytest.fixture
def s3(sound: Recording, settings: LazySettings) -> Iterator[None]:
    """As if the sound lay in a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="media")
    options = {"endpoint_url": f"http://{host}:{port}", "access_key": "x", "secret_key": "y"}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | {"bucket_name": "media"}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    yield
    server.stop()


def told(who: Character) -> list[tuple[str, str]]:
    with scope.bound(who.tenant.id):
        return [(one.action, one.actor_name) for one in AuditEntry.objects.order_by("id")]


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
class TestPlaying:
    def test_is_told_once_however_many_pieces_are_asked_for(
        self, as_alice: Client, as_bob: Client, alice: Character, sound: Recording
    ) -> None:
        address = f"/recordings/{sound.id}/media"
        for first in (0, 5000, 1):
            assert as_alice.get(address, headers={"Range": f"bytes={first}-"}).status_code == 206
        as_bob.get(address)
        assert told(alice) == [("audio.played", "alice@acme.example"), ("audio.played", "bob@acme.example")]
        with scope.bound(alice.tenant.id):
            entry = AuditEntry.objects.all()[0]
        assert (entry.object_type, entry.object_id, entry.details) == ("recording", str(sound.id), {})

    def test_later_is_told_again(self, as_alice: Client, alice: Character, sound: Recording) -> None:
        now = timezone.now()
        for minutes in (0, 11):
            with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
                as_alice.get(f"/recordings/{sound.id}/media")
        assert len(told(alice)) == 2

    def test_no_sound_no_entry(self, as_alice: Client, alice: Character, mallory: Character, sound: Recording) -> None:
        address = f"/recordings/{sound.id}/media"
        as_alice.head(address)
        assert as_alice.get(address, headers={"Range": "bytes=99999-"}).status_code == 416
        stranger = Client()
        stranger.force_login(mallory.user)
        assert stranger.get(address).status_code == 404
        with scope.bound(alice.tenant.id):
            Recording.objects.update(audio_deleted_at=timezone.now())
        assert as_alice.get(address).status_code == 410
        assert told(alice) == told(mallory) == []


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
class TestDownloading:
    def test_is_another_act(self, as_alice: Client, alice: Character, sound: Recording) -> None:
        page = as_alice.get(f"/recordings/{sound.id}/").content.decode()
        address = f"/recordings/{sound.id}/media?download"
        assert f'href="{address}"' in page
        for _again in range(2):
            answer = as_alice.get(address)
        assert answer["Content-Disposition"] == "attachment; filename*=utf-8''Jahresgespr%C3%A4ch.mp3"
        assert told(alice)[1:] == [("audio.exported", "alice@acme.example")]

    @pytest.mark.usefixtures("s3")
    def test_from_s3_is_told_when_its_address_is_given(
        self, as_alice: Client, alice: Character, sound: Recording
    ) -> None:
        answer = as_alice.get(f"/recordings/{sound.id}/media?download")
        assert answer.status_code == 302
        assert "response-content-disposition=attachment" in answer["Location"]
        assert "response-content-disposition" not in as_alice.get(f"/recordings/{sound.id}/media")["Location"]
        assert [action for action, _who in told(alice)] == ["audio.exported", "audio.played"]

    @pytest.mark.usefixtures("s3")
    @pytest.mark.parametrize(("query", "action"), [("?download", "audio.exported"), ("", "audio.played")])
    def test_the_address_is_the_sound_also_for_one_who_asked_for_headers_only(
        self, query: str, action: str, as_alice: Client, alice: Character, sound: Recording
    ) -> None:
        answer = as_alice.head(f"/recordings/{sound.id}/media{query}")
        assert (answer.status_code, "Signature" in answer["Location"]) == (302, True)
        assert told(alice) == [(action, "alice@acme.example")]


def test_a_stretch_of_the_waveform_is_as_detailed_as_it_is_kept(as_alice: Client, sound: Recording) -> None:
    with scope.bound(sound.tenant_id):
        Recording.objects.update(peaks=[0, 100, 50, 25], duration_seconds=8.0)
    address = f"/recordings/{sound.id}/peaks.json"
    assert as_alice.get(address).json() == {"duration": 8.0, "peaks": [0.0, 1.0, 0.5, 0.25]}
    assert as_alice.get(f"{address}?start=2.5&end=5").json() == {"start": 2.0, "step": 2.0, "peaks": [1.0, 0.5]}
    with scope.bound(sound.tenant_id):
        Loudness.objects.create(tenant_id=sound.tenant_id, recording=sound, blocks=bytes([0, 255] * 80))
    assert as_alice.get(f"{address}?start=1&end=1.1").json() == {"start": 1.0, "step": 0.05, "peaks": [0.0, 1.0]}
    assert as_alice.get(f"{address}?start=90&end=1").json()["peaks"] == []
    for nonsense in ("start=x&end=1", "start=-1&end=1", "start=1", "start=1e9&end=nan"):
        assert "duration" in as_alice.get(f"{address}?{nonsense}").json()
