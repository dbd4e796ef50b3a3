"""The bucket is made by the first start where nobody made it (moto speaks S3's protocol)."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest
from botocore.config import Config
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from moto.server import ThreadedMotoServer

from transcription.media import storage


@pytest.fixture
def no_bucket(settings: LazySettings) -> Iterator[None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    use(settings, f"http://{host}:{port}")
    yield
    server.stop()


def use(settings: LazySettings, address: str) -> None:
    options = {
        "bucket_name": "recordings",
        "endpoint_url": address,
        "region_name": "eu-central-1",
        "access_key": "a",
        "secret_key": "b",
        "client_config": Config(connect_timeout=1, retries={"total_max_attempts": 1}),
    }
    media = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": media}
    settings.S3_BUCKET = "recordings"


def made(*options: str) -> str:
    out = StringIO()
    call_command("bucket", *options, stdout=out)
    return out.getvalue().strip()


@pytest.mark.usefixtures("no_bucket")
def test_it_is_made_once_in_its_region() -> None:
    assert made() == "The bucket recordings was made."
    assert made() == "The bucket recordings is there."
    place = storage.client().get_bucket_location(Bucket="recordings")
    assert place["LocationConstraint"] == "eu-central-1"


def test_an_s3_that_does_not_answer_is_said(settings: LazySettings) -> None:
    use(settings, "http://127.0.0.1:9")
    with pytest.raises(CommandError, match="does not answer"):
        made("--wait", "0.1")


def test_a_local_folder_is_no_bucket() -> None:
    with pytest.raises(CommandError, match="S3_BUCKET names no bucket"):
        made()
