"""What a link gives to hear: a copy without anything else in it, never the file, and of an excerpt nothing outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from moto.server import ThreadedMotoServer

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.shared.conftest import HIGH, LOW, SECRET_TITLE, Share, heard, loudness, strike
from transcription import media
from transcription.library import recordings
from transcription.lookout import look
from transcription.media import storage
from transcription.models import Recording, Transcription
from transcription.shares import cutting, links
from transcription.shares.models import Share as Link
from transcription.strikes import copies

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]


def test_all_of_it_is_a_copy_without_what_else_was_in_the_file(
    guest: Client, share: Share, recording: Recording, sent: Path, tmp_path: Path
) -> None:
    path = share()
    assert guest.get(f"{path}sound").status_code == 404
    assert "The sound is being prepared" in guest.get(path).content.decode()
    Tenant.objects.filter(id=recording.tenant_id).update(allows_sharing=False)
    assert look({cutting.DUE}) == set()
    Tenant.objects.filter(id=recording.tenant_id).update(allows_sharing=True)
    assert look({cutting.DUE}) == {cutting.DUE}
    assert cutting.cut_due() == 1
    assert cutting.cut_due() == 0
    assert f'<audio src="{path}sound"' in guest.get(path).content.decode()
    sound = heard(guest, path)
    assert SECRET_TITLE.encode() in sent.read_bytes()
    assert SECRET_TITLE.encode() not in sound
    assert {tone: round(share, 1) for tone, share in loudness(sound, tmp_path).items()} == {LOW: 0.7, HIGH: 0.3}
    assert heard(guest, path, Range="bytes=10-19") == sound[10:20]


def test_of_an_excerpt_nothing_else_is_in_it(guest: Client, share: Share, recording: Recording, tmp_path: Path) -> None:
    path = share(start=4.0, end=8.0)
    cutting.cut_due()
    found = loudness(heard(guest, path), tmp_path)
    assert found[HIGH] > 0.99
    assert found[LOW] < 0.001
    assert guest.get(f"{path}peaks.json").json() == {"peaks": [0.04, 0.05, 0.06, 0.07]}


def test_what_is_struck_is_neither_read_nor_heard_from_the_next_request_on(
    guest: Client, share: Share, interview: Transcription, recording: Recording, alice: Character, tmp_path: Path
) -> None:
    whole, excerpt = share(with_download=True), share(start=4.0, end=8.0)
    cutting.cut_due()
    for path in (whole, excerpt):
        assert heard(guest, path)
    strike(alice, interview, 5.0, 6.0)
    for path in (whole, excerpt):
        assert guest.get(f"{path}sound").status_code == 404
        page = guest.get(path).content.decode()
        assert "foxtrot" not in page
        assert "golf" in page
    assert "foxtrot" not in guest.get(f"{whole}transcript.json").content.decode()
    assert guest.get(f"{excerpt}peaks.json").json()["peaks"] == [0.04, 0.0, 0.06, 0.07]
    assert cutting.cut_due() == 1
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        assert copies.make_due() == 1
    file = tmp_path / "excerpt.m4a"
    file.write_bytes(heard(guest, excerpt))
    pcm = np.frombuffer(b"".join(media.decode(file, "mov,mp4,m4a,3gp,3g2,mj2", 60)), np.int16).astype(float)
    loud = [float(np.abs(pcm[int(at * media.SAMPLE_RATE) :][:8000]).mean()) for at in (0.25, 1.25, 2.25)]
    assert loud[1] < 0.01 * min(loud[0], loud[2])
    assert heard(guest, whole)


def test_the_copy_that_the_portal_has_is_given_where_all_of_it_is(
    guest: Client, share: Share, recording: Recording
) -> None:
    key = storage.recording_key(recording.tenant_id, recording.id, "playback.m4a")
    storage.local_path(key).write_bytes(b"the portal's copy")
    with scope.bound(recording.tenant_id):
        Recording.objects.filter(id=recording.id).update(playback_key=key)
    path, excerpt = share(), share(start=4.0, end=8.0)
    assert heard(guest, path) == b"the portal's copy"
    assert guest.get(f"{excerpt}sound").status_code == 404
    assert cutting.cut_due() == 1


def test_revoked_while_it_plays_the_next_piece_is_refused_and_the_copy_is_gone(
    guest: Client, share: Share, recording: Recording, alice: Character
) -> None:
    path = share()
    cutting.cut_due()
    heard(guest, path, Range="bytes=0-99")
    with scope.bound(alice.tenant.id):
        row = Link.objects.get()
        links.revoke(alice.actor, row.id)
    assert guest.get(f"{path}sound", headers={"Range": "bytes=100-199"}).status_code == 404
    assert not storage.local_path(row.sound_key).exists()


@pytest.mark.parametrize("wanted", [{"with_sound": False}, {"password": "winter morning"}, {"most_openings": 1}])
def test_no_sound_where_none_is_given_or_nobody_has_asked(
    guest: Client, share: Share, recording: Recording, wanted: dict[str, Any]
) -> None:
    path = share(**wanted)
    cutting.cut_due()
    for rest in ("sound", "sound?download", "peaks.json"):
        assert guest.get(path + rest).status_code == 404


def test_it_is_downloaded_where_the_link_allows_it(guest: Client, share: Share, recording: Recording) -> None:
    path, silent = share(with_download=True), share()
    cutting.cut_due()
    answer = guest.get(f"{path}sound?download")
    assert answer["Content-Disposition"] == 'attachment; filename="Interview with a source.m4a"'
    assert guest.get(f"{silent}sound").status_code == 200
    assert guest.get(f"{silent}sound?download").status_code == 404


def test_who_hears_it_without_the_page_has_opened_the_link(
    guest: Client, share: Share, recording: Recording, alice: Character
) -> None:
    path = share()
    cutting.cut_due()
    for _ in range(2):
        heard(guest, path, Range="bytes=10-19")
    with scope.bound(alice.tenant.id):
        assert Link.objects.get().openings == 1


def test_an_erased_recording_leaves_no_copy_behind(share: Share, recording: Recording, alice: Character) -> None:
    share()
    cutting.cut_due()
    with scope.bound(alice.tenant.id):
        key = Link.objects.get().sound_key
        assert storage.local_path(key).exists()
        recordings.erase(alice.actor, recording.id)
    assert not storage.local_path(key).exists()


def test_a_file_that_can_not_be_read_is_said_and_not_tried_for_ever(
    guest: Client, share: Share, recording: Recording, alice: Character
) -> None:
    storage.local_path(recording.storage_key).write_bytes(b"no sound at all")
    path = share()
    assert cutting.cut_due() == 0
    with scope.bound(alice.tenant.id):
        assert Link.objects.get().sound_error == "not_media"
    page = guest.get(path).content.decode()
    assert "<audio" not in page
    assert "being prepared" not in page
    assert "Alfa bravo charlie delta." in page


def test_copies_of_expired_links_are_dropped(share: Share, recording: Recording, alice: Character) -> None:
    share()
    cutting.cut_due()
    with scope.bound(alice.tenant.id):
        key = Link.objects.get().sound_key
        Link.objects.update(expires_at="2026-01-01T00:00:00Z")
        assert cutting.drop_ended() == 1
        assert Link.objects.get().sound_key == ""
    assert not storage.local_path(key).exists()
    assert cutting.cut_due() == 0


@pytest.fixture
def s3(settings: LazySettings) -> Iterator[None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="shared-media")
    options = {"endpoint_url": f"http://{host}:{port}", "access_key": "x", "secret_key": "y"}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | {"bucket_name": "shared-media"}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    yield
    server.stop()


def test_in_a_bucket_it_comes_through_the_portal_so_that_an_address_opens_nothing_later(
    guest: Client, share: Share, recording: Recording, s3: None, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.m4a"
    copy.write_bytes(bytes(range(200)))
    key = storage.recording_key(recording.tenant_id, recording.id, "playback.m4a")
    storage.save(copy, key)
    with scope.bound(recording.tenant_id):
        Recording.objects.filter(id=recording.id).update(playback_key=key)
    path = share()
    assert heard(guest, path) == bytes(range(200))
    assert heard(guest, path, Range="bytes=150-") == bytes(range(150, 200))
    storage.delete(key)
    assert guest.get(f"{path}sound").status_code == 404
