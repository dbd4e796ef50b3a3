"""What `manage.py doctor` says of a machine, and what to do."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from moto.server import ThreadedMotoServer

from portal import doctor, health
from transcription import redis

pytestmark = pytest.mark.django_db


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def port(settings: LazySettings) -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.PORT = free.getsockname()[1]
    return int(settings.PORT)


def found(part: str, state: str = "") -> list[str]:
    """Returns what is said of a part, and what to do."""
    return [f"{one.text} {one.remedy}" for one in doctor.examine([part]) if state in ("", one.state)]


def run(*options: str) -> tuple[str, int]:
    """Returns what the command prints, and its exit status."""
    out = StringIO()
    try:
        call_command("doctor", *options, stdout=out)
    except SystemExit as exit:
        return out.getvalue(), int(exit.code or 0)
    return out.getvalue(), 0


def test_every_part_is_looked_at_and_a_machine_that_works_has_no_problem() -> None:
    text, status = run("--format", "json")
    findings: list[dict[str, Any]] = json.loads(text)
    assert {one["part"] for one in findings} == {*doctor.PARTS, "clock"}
    assert [one for one in findings if one["state"] == "problem"] == []
    assert status == 0
    assert all(one["remedy"] for one in findings if one["state"] != "ok")


def test_a_problem_is_told_with_a_remedy_and_by_the_exit_status() -> None:
    [latest] = MigrationExecutor(connection).loader.graph.leaf_nodes("tenants")
    MigrationRecorder(connection).record_unapplied(*latest)
    text, status = run("database")
    missing = ".".join(latest)
    assert f"PROBLEM  database: migrations are missing: {missing}\n         → Run: manage.py migrate" in text
    assert status == 1


def test_what_a_part_raises_is_a_problem_of_it_without_secrets_and_the_others_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    def fails() -> Iterator[doctor.Finding]:
        raise PermissionError(f"no: {settings.SECRET_KEY}")
        yield

    monkeypatch.setitem(doctor.PARTS, "disk", fails)
    assert found("disk") == ["could not be looked at (PermissionError: no: [hidden]) See the log of the processes."]
    assert [one.part for one in doctor.examine(["disk", "mail"])] == ["disk", "mail"]


def test_redis_that_is_away(settings: LazySettings, tmp_path: Path) -> None:
    settings.REDIS_URL, settings.REDIS_EMBEDDED = f"unix://{tmp_path / 'none.sock'}", False
    redis.connection.cache_clear()
    try:
        [said] = found("redis", "problem")
    finally:
        redis.connection.cache_clear()
    assert "correct REDIS_URL" in said


def test_a_disk_that_is_nearly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(100 * health.GIB, 0, health.GIB // 2))
    assert "0.5 GiB are free" in found("disk", "problem")[0]


def test_weights_that_are_cut_off_and_weights_that_are_not_there(settings: LazySettings, tmp_path: Path) -> None:
    settings.WHISPER_WEIGHTS = tmp_path
    assert "base is not there: 146 MB are fetched" in found("models", "warning")[0]
    folder = tmp_path / "ctranslate2" / "base"
    folder.mkdir(parents=True)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_text("cut")
    assert found("models", "problem") == ["base is damaged Run: manage.py model fetch base"]


def test_a_port_that_is_taken(port: int) -> None:
    assert found("port", "ok") == [f"127.0.0.1:{port} is free "]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert f"127.0.0.1:{port} is taken" in found("port", "warning")[0]


def test_a_mail_server_that_does_not_answer(settings: LazySettings, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    assert "127.0.0.1 takes no mail" in found("mail", "problem")[0]


@pytest.mark.parametrize("bucket", ["media", "another"])
def test_a_bucket_is_tried_and_nothing_is_left_in_it(bucket: str, settings: LazySettings) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
        client.create_bucket(Bucket="media")
        options = {"endpoint_url": f"http://{host}:{port}", "access_key": "x", "secret_key": "y"}
        backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | {"bucket_name": bucket}}
        settings.STORAGES, settings.S3_BUCKET = {**settings.STORAGES, "default": backend}, bucket
        assert len(found("storage", "ok" if bucket == "media" else "problem")) == 1
        assert not [one for one in client.list_objects(Bucket="media").get("Contents", []) if "doctor" in one["Key"]]
    finally:
        server.stop()
