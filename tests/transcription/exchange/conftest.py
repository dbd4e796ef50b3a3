"""A folder of the operator's, and a bucket of Acme's (moto speaks S3's protocol)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import LazySettings
from moto.server import ThreadedMotoServer

from tests.conftest import Character
from transcription.exchange import places
from transcription.exchange.models import Place
from transcription.exchange.places import PlaceSettings


@pytest.fixture
def root(settings: LazySettings, tmp_path: Path) -> Path:
    settings.EXCHANGE_ROOT = str(tmp_path / "exchange")
    (tmp_path / "exchange").mkdir()
    return tmp_path / "exchange"


@pytest.fixture
def folder(alice: Character, root: Path, within: None) -> Place:
    return places.create(alice.actor, PlaceSettings(name="Server", kind="folder", path="radio", is_watched=True))


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address: str, settings: LazySettings) -> Any:
    """A client of the bucket `acme`, which is empty."""
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["downloads", "buckets"]
    client = boto3.client(
        "s3",
        endpoint_url=s3_address,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.create_bucket(Bucket="acme")
    for one in client.list_objects_v2(Bucket="acme").get("Contents", []):
        client.delete_object(Bucket="acme", Key=one["Key"])
    return client


@pytest.fixture
def bucket(alice: Character, s3: Any, s3_address: str, within: None) -> Place:
    wanted = PlaceSettings("Bucket", "bucket", "voice", s3_address, "acme", "", "a", "b", is_watched=True)
    return places.create(alice.actor, wanted)
