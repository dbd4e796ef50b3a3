"""Uploads straight to S3, against a server of the real protocol (moto), with plain PUTs as any client sends them.

moto takes any signature, so what is signed is read from the URLs themselves.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from moto.server import ThreadedMotoServer

from tenants.models import Quota, Tenant
from tests.conftest import Character
from tests.transcription.uploads.arrivals import sweep, sweep_stranded
from transcription.maintenance import sweeper
from transcription.media import storage
from transcription.models import Recording, Transcription
from transcription.uploads import bucket
from transcription.uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within", "s3")]
MIB = 1024 * 1024
URL = "/api/v1/uploads/multipart"
OPTIONS = {
    "bucket_name": "media",
    "access_key": "a",
    "secret_key": "b",
    "region_name": "eu-central-1",
    "file_overwrite": False,
}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto: str, settings: LazySettings) -> Any:
    httpx.post(f"{moto}/moto-api/reset")
    client = boto3.client(
        "s3", endpoint_url=moto, aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-central-1"
    )
    client.create_bucket(Bucket="media", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": OPTIONS | {"endpoint_url": moto}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    return client


class Program:
    """A client with a key."""

    def __init__(self, character: Character) -> None:
        self.headers = character.bearer

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        return Client().generic(
            method,
            url,
            b"" if body is None else httpx.Request("POST", "http://x", json=body).content,
            content_type="application/json",
            headers={**self.headers, **headers},
        )

    def begin(self, content: bytes, **fields: Any) -> dict[str, Any]:
        answer = self.ask("POST", URL, {"name": "long.wav", "length": len(content)} | fields)
        assert answer.status_code == 201, answer.content
        assert answer.headers["Location"] == f"{URL}/{answer.json()['id']}"
        return dict(answer.json())

    def send(self, upload: dict[str, Any], content: bytes, *numbers: int) -> None:
        asked = self.ask("POST", f"{URL}/{upload['id']}/urls", {"parts": list(numbers)})
        for part in asked.json()["parts"]:
            begin = (part["number"] - 1) * upload["part_bytes"]
            answer = httpx.put(part["url"], content=content[begin : begin + upload["part_bytes"]])
            assert answer.status_code == 200


@pytest.fixture
def program(alice: Character) -> Program:
    return Program(alice)


@pytest.fixture
def content(sound: bytes) -> bytes:
    """Two whole parts and a bit; what follows a WAV's last sample is ignored by whoever plays it."""
    return sound + bytes(2 * bucket.SMALLEST_PART)


@pytest.fixture
def brief(sound: bytes) -> bytes:
    """What is one part."""
    return sound


def test_a_file_in_parts_becomes_a_recording(program: Program, content: bytes, s3: Any) -> None:
    upload = program.begin(content, language="de", word_timestamps=True, beam_size=2)
    assert (upload["part_bytes"], upload["part_count"], upload["state"]) == (8 * MIB, 3, "open")
    program.send(upload, content, 2, 3, 1)
    answer = program.ask("POST", f"{URL}/{upload['id']}/complete")
    assert (answer.status_code, answer.json()["state"]) == (202, "arrived")
    assert program.ask("POST", f"{URL}/{upload['id']}/complete").status_code == 202
    assert sweep() == {"uploads settled": 1}
    said = program.ask("GET", f"/api/v1/uploads/{upload['id']}").json()
    recording = Recording.objects.get()
    assert (said["state"], said["recording"]) == ("accepted", str(recording.id))
    kept = s3.get_object(Bucket="media", Key=recording.storage_key)["Body"].read()
    assert kept == content
    assert recording.sha256 == hashlib.sha256(content).hexdigest()
    row = Transcription.objects.get()
    assert (row.language, row.word_timestamps, row.beam_size) == ("de", True, 2)
    listed = s3.list_objects_v2(Bucket="media")["Contents"]
    assert [one["Key"] for one in listed] == [recording.storage_key]
    assert Quota.objects.get(tenant=recording.tenant).stored_bytes_used == len(content)


def test_after_a_crash_the_parts_that_are_there_are_listed(program: Program, content: bytes) -> None:
    upload = program.begin(content)
    program.send(upload, content, 1, 3)
    said = program.ask("GET", f"{URL}/{upload['id']}").json()
    last = len(content) - 2 * 8 * MIB
    assert [(part["number"], part["size"]) for part in said["parts"]] == [(1, 8 * MIB), (3, last)]
    assert said["missing"] == [2]
    answer = program.ask("POST", f"{URL}/{upload['id']}/complete")
    assert (answer.status_code, answer.json()["code"], answer.json()["missing"]) == (409, "parts_missing", [2])
    program.send(upload, content, 2)
    assert program.ask("POST", f"{URL}/{upload['id']}/complete").status_code == 202


def test_a_part_of_another_length_is_none(program: Program, content: bytes) -> None:
    upload = program.begin(content)
    program.send(upload, content[:-1], 1, 2, 3)
    assert program.ask("GET", f"{URL}/{upload['id']}").json()["missing"] == [3]


def test_a_part_s_url_binds_its_place_its_length_and_its_content(program: Program, content: bytes) -> None:
    upload = program.begin(content)
    sha256 = base64.b64encode(hashlib.sha256(content[: 8 * MIB]).digest()).decode()
    answer = program.ask("POST", f"{URL}/{upload['id']}/urls", {"parts": [{"number": 1, "sha256": sha256}, 3]}).json()
    first, third = answer["parts"]
    row = Upload.objects.get()
    for part in (first, third):
        parts = urlsplit(part["url"])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.path.endswith(f"/tenants/{row.tenant_id}/incoming/{row.id}")
        assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
        assert query["partNumber"] == str(part["number"])
        assert query["uploadId"] == row.multipart_id
        assert query["X-Amz-Expires"] == "3600"
        assert "content-length" in query["X-Amz-SignedHeaders"].split(";")
        assert not [name for name in query if "crc32" in name.lower()]
    assert first["headers"] == {"Content-Length": str(8 * MIB), "x-amz-checksum-sha256": sha256}
    assert third["headers"] == {"Content-Length": str(len(content) - 16 * MIB)}
    signed = parse_qs(urlsplit(first["url"]).query)
    assert "x-amz-checksum-sha256" in signed["X-Amz-SignedHeaders"][0].split(";") or (
        signed.get("x-amz-checksum-sha256") == [sha256]
    )


@pytest.mark.parametrize(
    "parts",
    [
        [0],
        [4],
        list(range(1, 34)),
        [],
        None,
        "1",
        [True],
        [1.0],
        [{"sha256": "x"}],
        [{"number": 1, "sha256": "short"}],
        [{"number": 1, "sha256": 5}],
        [{"number": 1, "sha512": "x"}],
    ],
)
def test_urls_for_what_is_no_part_are_refused(program: Program, content: bytes, parts: Any) -> None:
    upload = program.begin(content)
    answer = program.ask("POST", f"{URL}/{upload['id']}/urls", {"parts": parts})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"length": -1}, 400, "invalid_value"),
        ({"length": "1000"}, 400, "invalid_value"),
        ({"length": True}, 400, "invalid_value"),
        ({"length": 0}, 400, "empty_file"),
        ({"length": 10**15}, 413, "quota_upload_bytes"),
        ({"name": 5}, 400, "invalid_value"),
        ({"model": "huge-v9"}, 400, "model_not_found"),
        ({"model": ["base"]}, 400, "invalid_value"),
        ({"beam_size": "5"}, 400, "invalid_value"),
        ({"lenght": 1000}, 400, "invalid_value"),
    ],
)
def test_what_can_not_become_an_upload_is_refused(
    program: Program, fields: dict[str, Any], status: int, code: str, s3: Any
) -> None:
    answer = program.ask("POST", URL, {"name": "a.wav", "length": 1000} | fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Upload.objects.exists()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="media")


def test_an_aborted_upload_leaves_nothing(program: Program, content: bytes, s3: Any) -> None:
    upload = program.begin(content)
    program.send(upload, content, 1)
    assert program.ask("DELETE", f"{URL}/{upload['id']}").status_code == 204
    assert program.ask("GET", f"{URL}/{upload['id']}").status_code == 404
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="media")


def test_a_forgotten_upload_is_aborted(program: Program, content: bytes, s3: Any) -> None:
    upload = program.begin(content)
    program.send(upload, content, 1)
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert sweep() == {}, "its URLs were asked for just now"
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert sweep() == {"old uploads forgotten": 1}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="media")
    assert program.ask("GET", f"{URL}/{upload['id']}").status_code == 404


def test_what_a_switched_off_tenant_sent_is_deleted_a_month_later(program: Program, brief: bytes, s3: Any) -> None:
    upload = program.begin(brief)
    program.send(upload, brief, 1)
    assert program.ask("POST", f"{URL}/{upload['id']}/complete").status_code == 202
    Tenant.objects.update(is_active=False)
    with time_machine.travel(timezone.now() + timedelta(days=29, hours=23)):
        assert sweep_stranded() == 0
    assert s3.list_objects_v2(Bucket="media")["KeyCount"] == 1
    with time_machine.travel(timezone.now() + timedelta(days=30, minutes=1)):
        assert sweep_stranded() == 1
    assert s3.list_objects_v2(Bucket="media")["KeyCount"] == 0
    assert not Upload.objects.exists()


def test_what_no_row_names_is_aborted_when_it_is_old(program: Program, content: bytes, s3: Any) -> None:
    program.begin(content)
    key = Upload.objects.get().object_key
    s3.put_object(Bucket="media", Key=key + "0", Body=b"x")
    Upload.objects.all().delete()
    # moto says of every multipart upload that it began in 2010
    assert bucket.drop_strays({key.rsplit("/", 1)[1]}, timezone.now() - timedelta(hours=1)) == 0
    assert bucket.drop_strays({key.rsplit("/", 1)[1]}, timezone.now() + timedelta(hours=1)) == 1
    assert len(s3.list_multipart_uploads(Bucket="media")["Uploads"]) == 1
    assert bucket.drop_strays(set(), timezone.now() + timedelta(hours=1)) == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="media")
    assert "Contents" not in s3.list_objects_v2(Bucket="media")


def test_the_sweep_of_orphaned_media_leaves_what_is_arriving(program: Program, brief: bytes, s3: Any) -> None:
    upload = program.begin(brief)
    program.send(upload, brief, 1)
    program.ask("POST", f"{URL}/{upload['id']}/complete")
    sweeper.ORPHAN_AGE, age = timedelta(hours=-1), sweeper.ORPHAN_AGE
    try:
        assert sweeper.drop_orphaned_media() == 0
    finally:
        sweeper.ORPHAN_AGE = age
    assert sweep() == {"uploads settled": 1}


def test_a_lost_answer_to_complete_does_no_harm(program: Program, brief: bytes) -> None:
    """The server was killed after S3 had made the object and before it was noted."""
    upload = program.begin(brief)
    program.send(upload, brief, 1)
    program.ask("POST", f"{URL}/{upload['id']}/complete")
    Upload.objects.update(state=Upload.State.OPEN)
    assert program.ask("POST", f"{URL}/{upload['id']}/complete").json()["state"] == "arrived"
    assert sweep() == {"uploads settled": 1}


def test_what_is_no_audio_is_refused_and_nothing_is_left(program: Program, s3: Any) -> None:
    text = b"no song " * 1000
    upload = program.begin(text)
    program.send(upload, text, 1)
    program.ask("POST", f"{URL}/{upload['id']}/complete")
    assert sweep() == {"uploads settled": 1}
    said = program.ask("GET", f"{URL}/{upload['id']}").json()
    assert (said["state"], said["problem"]["code"]) == ("refused", "not_media")
    assert "Contents" not in s3.list_objects_v2(Bucket="media")


def test_a_killed_acceptance_is_taken_up_when_its_lease_is_over(program: Program, brief: bytes) -> None:
    upload = program.begin(brief)
    program.send(upload, brief, 1)
    program.ask("POST", f"{URL}/{upload['id']}/complete")
    Upload.objects.update(not_before=timezone.now() + timedelta(minutes=5))
    assert sweep() == {}
    Upload.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    assert sweep() == {"uploads settled": 1}


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("POST", "/urls"), ("POST", "/complete")])
def test_a_stranger_gets_the_answer_for_nothing(
    program: Program, content: bytes, mallory: Character, method: str, rest: str
) -> None:
    upload = program.begin(content)
    stranger = Program(mallory)
    for there in (upload["id"], "00000000-0000-4000-8000-000000000000"):
        assert stranger.ask(method, f"{URL}/{there}{rest}", {"parts": [1]}).status_code == 404


def test_tus_writes_nothing_into_it(program: Program, content: bytes) -> None:
    upload = program.begin(content)
    assert program.ask("HEAD", f"/api/v1/uploads/{upload['id']}", **{"Tus-Resumable": "1.0.0"}).status_code == 404


def test_a_local_installation_says_to_use_tus(program: Program, settings: LazySettings) -> None:
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    answer = program.ask("POST", URL, {"name": "a.wav", "length": 1000})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_object_storage")
    assert not storage.recording_id_of(f"tenants/x/incoming/{answer}")


@pytest.mark.parametrize("length", [1, 8 * MIB, 8_000 * MIB, 8_000 * MIB + 1, 1024**4])
def test_parts_are_few_enough_and_large_enough(length: int) -> None:
    size = bucket.part_bytes(length)
    assert size >= 5 * MIB
    assert size <= 5 * 1024**3 + MIB
    assert -(-length // size) <= 1000
