"""The same where media lie in S3 (moto speaks its protocol)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from moto.server import ThreadedMotoServer

from tenants import scope
from tenants.models import AuditEntry, User
from tests.conftest import Character
from tests.transcription.characters import submit
from transcription.media import storage, storage_check
from transcription.offboarding import archive, deletion, receipts
from transcription.offboarding.models import Deletion
from transcription.uploads import bucket, creation
from transcription.uploads.creation import Plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def s3(settings: LazySettings, folders: None) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    who = {"endpoint_url": address, "region_name": "us-east-1"}
    client = boto3.client("s3", aws_access_key_id="a", aws_secret_access_key="b", **who)
    client.create_bucket(Bucket="offboarding")
    options = who | {"bucket_name": "offboarding", "access_key": "a", "secret_key": "b", "file_overwrite": False}
    media = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": media}
    yield client
    server.stop()


def move(settings: LazySettings, address: str) -> None:
    """S3 is asked at another address from now on, once."""
    media = settings.STORAGES["default"]
    options = media["OPTIONS"] | {"endpoint_url": address, "client_config": Config(retries={"total_max_attempts": 1})}
    settings.STORAGES = {**settings.STORAGES, "default": {**media, "OPTIONS": options}}
    storage_check._check = None


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="offboarding").get("Contents", ())]


def test_objects_and_open_uploads_go_and_others_stay(s3: Any, alice: Character, mallory: Character, fox: Path) -> None:
    for character in (alice, mallory):
        with scope.bound(character.tenant.id):
            submit(character.actor, fox)
            row = creation.open_in_bucket(character.actor, Plan("long.wav", 20 * bucket.MEBIBYTE))
            s3.put_object(Bucket="offboarding", Key=f"tenants/{character.tenant.id}/incoming/stray", Body=b"x" * 100)
    assert len(keys(s3)) == 4
    with scope.bound(alice.tenant.id):
        found = zipfile.ZipFile(io.BytesIO(b"".join(archive.stream(alice.tenant, "https://portal.example"))))
    assert [found.read(name) for name in found.namelist() if name.endswith("original.wav")] == [fox.read_bytes()]
    done = deletion.begin(alice.tenant, "olivia@portal.example")
    assert deletion.advance(done)
    done.refresh_from_db()
    assert receipts.verified(done.receipt)["erased"]["media"]["bytes"] == fox.stat().st_size + 100
    assert {key.split("/")[1] for key in keys(s3)} == {str(mallory.tenant.id)}
    left = s3.list_multipart_uploads(Bucket="offboarding").get("Uploads", ())
    assert [one["Key"] for one in left] == [row.object_key]
    assert list(storage.sizes_of(alice.tenant.id)) == []


NOBODY = "http://127.0.0.1:9"


def test_while_it_is_away_the_command_says_so_and_leaves_no_half_archive(
    s3: Any, alice: Character, fox: Path, settings: LazySettings, tmp_path: Path
) -> None:
    with scope.bound(alice.tenant.id):
        submit(alice.actor, fox)
    there = settings.STORAGES["default"]["OPTIONS"]["endpoint_url"]
    move(settings, NOBODY)
    with pytest.raises(CommandError, match=r"object storage does not answer.*Nothing was deleted"):
        call_command("tenant", "delete", "Acme", "--confirm=Acme", f"--archive={tmp_path / 'acme.zip'}")
    assert (list(tmp_path.glob("acme*")), Deletion.objects.count()) == ([], 0)
    with pytest.raises(CommandError, match=rf"object storage does not answer.*tenant delete {alice.tenant.id}"):
        call_command("tenant", "delete", "Acme", "--confirm=Acme", "--without-archive")
    move(settings, there)
    out = io.StringIO()
    call_command("tenant", "delete", str(alice.tenant.id), "--confirm=Acme", "--without-archive", stdout=out)
    assert receipts.verified(out.getvalue())["erased"]["media"]["objects"] == 1
    assert str(alice.tenant.id) not in str(keys(s3))


def test_while_it_is_away_no_archive_is_begun_in_the_admin(
    s3: Any, alice: Character, olivia: User, client: Client, settings: LazySettings
) -> None:
    move(settings, NOBODY)
    client.force_login(olivia)
    address = reverse("admin:offboarding_archive", args=[alice.tenant.pk])
    answer = client.get(address, follow=True)
    assert "The object storage does not answer" in answer.content.decode()
    with scope.bound(alice.tenant.id):
        assert not AuditEntry.objects.filter(action="tenant.exported").exists()
