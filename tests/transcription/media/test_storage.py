"""Media in a local folder and in a real S3 protocol server (moto)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
from django.conf import LazySettings
from moto.server import ThreadedMotoServer

from transcription.media import storage


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # all servers of a process are one
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, settings: LazySettings, tmp_path: Path) -> str:
    if request.param == "local":
        backend = {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "media", "base_url": None},
        }
    else:
        address = request.getfixturevalue("s3")
        options = {
            "bucket_name": "media",
            "endpoint_url": address,
            "access_key": "a",
            "secret_key": "b",
            "region_name": "us-east-1",
            "file_overwrite": False,
        }
        boto3.client(
            "s3", endpoint_url=address, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        ).create_bucket(Bucket="media")
        backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    return str(request.param)


def key() -> str:
    return storage.recording_key(uuid.uuid4(), uuid.uuid4())


def test_what_is_kept_can_be_fetched_and_deleted(store: str, tmp_path: Path) -> None:
    source, name = tmp_path / "upload", key()
    source.write_bytes(b"sound" * 1000)
    storage.save(source, name)
    assert storage.is_local() == (store == "local")
    with storage.local_copy(name) as path:
        assert path.read_bytes() == b"sound" * 1000
    storage.delete(name)
    storage.delete(name)
    with pytest.raises(OSError), storage.local_copy(name) as path:
        path.read_bytes()


def test_nothing_is_ever_overwritten(store: str, tmp_path: Path) -> None:
    name = key()
    for content in (b"first", b"second"):
        (tmp_path / "upload").write_bytes(content)
        if content == b"first":
            storage.save(tmp_path / "upload", name)
        else:
            with pytest.raises(FileExistsError):
                storage.save(tmp_path / "upload", name)
    with storage.local_copy(name) as path:
        assert path.read_bytes() == b"first"


def test_s3_is_read_through_a_signed_url(s3: str, settings: LazySettings, request: pytest.FixtureRequest) -> None:
    options = {"bucket_name": "media", "endpoint_url": s3, "access_key": "a", "secret_key": "b"}
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    assert "Signature=" in storage.signed_url(key())
