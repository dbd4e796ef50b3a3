"""A backup that is made beside the running portal comes back elsewhere, with every row and byte, and sends nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from psycopg import sql

from tenants import invitations, outbound_hold
from tenants.invitations import Wanted
from tenants.models import Backup, OutboundHold, Role
from tests.conftest import Character
from tests.stack import ROOT
from tests.transcription.characters import submit
from transcription.media import storage
from transcription.models import Recording
from transcription.queue import claims, lifecycle
from transcription.webhooks import deliveries

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]
Rows = dict[str, list[tuple[Any, ...]]]
OF_THE_RESTORE = {"tenants_outboundhold", "tenants_backup", "sqlite_sequence", "sqlite_stat1"}


@dataclass(frozen=True)
class Keys:
    """A secret key's file, and the folder of the backups."""

    file: Path
    folder: Path


@pytest.fixture
def keys(tmp_path: Path, settings: LazySettings) -> Keys:
    media = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "media", "base_url": None}}
    settings.STORAGES = {**settings.STORAGES, "default": media}
    out = StringIO()
    call_command("backup", "key", str(tmp_path / "key.txt"), stdout=out, stderr=StringIO())
    settings.BACKUP_RECIPIENTS = [out.getvalue().strip().removeprefix("BACKUP_RECIPIENTS=")]
    settings.BACKUPS_KEPT = 0
    return Keys(tmp_path / "key.txt", tmp_path / "backups")


def backup(keys: Keys, *arguments: str) -> str:
    out = StringIO()
    call_command("backup", "--dir", str(keys.folder), *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def names(keys: Keys) -> list[str]:
    return [line.split(":")[0] for line in backup(keys, "list").splitlines()]


@dataclass(frozen=True)
class Elsewhere:
    """Another installation: its folder and its database, in which there is nothing yet."""

    data: Path
    url: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = {"PORTAL_DATA": str(self.data), "DATABASE_URL": self.url, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        command = [sys.executable, "manage.py", "backup", *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"} | own
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def rows(self) -> Rows:
        if self.url.startswith("sqlite"):
            return of_sqlite(self.data / "portal.sqlite3")
        return of_postgresql(self.url)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    data = tmp_path / "elsewhere"
    data.mkdir()
    if connection.vendor == "sqlite":
        yield Elsewhere(data, f"sqlite:///{data / 'portal.sqlite3'}")
        return
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as opened:
        opened.execute("CREATE DATABASE elsewhere")
        yield Elsewhere(data, url_of("elsewhere"))
        opened.execute("DROP DATABASE elsewhere WITH (FORCE)")


def of_sqlite(file: Path) -> Rows:
    with closing(sqlite3.connect(file)) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(opened.execute(f'SELECT * FROM "{name}"'), key=repr) for name in tables}


def of_postgresql(url: str) -> Rows:
    with psycopg.connect(url) as opened:
        tables = opened.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        select = sql.SQL("SELECT * FROM {}")
        return {n: sorted(opened.execute(select.format(sql.Identifier(n))).fetchall(), key=repr) for (n,) in tables}


def here() -> Rows:
    place = connection.settings_dict
    if connection.vendor == "sqlite":
        return of_sqlite(Path(str(place["NAME"])))
    return of_postgresql(url_of(str(place["NAME"])))


def url_of(database: str) -> str:
    """The address of another database of the same server."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


def heard(character: Character, source: Path, **options: object) -> Recording:
    submit(character.actor, source, **options)
    claim = claims.claim("host/1")
    assert claim is not None
    lifecycle.complete(claim, "The quick brown fox.", 2.9, [1])
    return Recording.objects.latest("created_at")


def test_every_row_and_byte_comes_back_elsewhere_and_nothing_goes_out(
    alice: Character, fox: Path, keys: Keys, elsewhere: Elsewhere
) -> None:
    recording = heard(alice, fox)
    before = here()
    assert "1 objects" in backup(keys, "create")
    assert "can be restored" in backup(keys, "verify", "--key", str(keys.file))
    done = elsewhere.run("--dir", str(keys.folder), "restore", "--key", str(keys.file))
    assert done.returncode == 0, done.stderr
    after = elsewhere.rows()
    assert {name: rows for name, rows in after.items() if name not in OF_THE_RESTORE} == {
        name: rows for name, rows in before.items() if name not in OF_THE_RESTORE
    }
    assert len(after["tenants_outboundhold"]) == 1
    assert (elsewhere.data / "media" / recording.storage_key).read_bytes() == fox.read_bytes()
    assert (elsewhere.data / "secret_key.restored").stat().st_mode & 0o777 == 0o600
    assert "Nothing was held" in elsewhere.run("resume").stdout + elsewhere.run("resume").stderr


def test_people_of_an_installation_are_not_overwritten_unasked(alice: Character, keys: Keys) -> None:
    backup(keys, "create")
    with pytest.raises(CommandError, match="--replace restores all the same"):
        backup(keys, "restore", "--key", str(keys.file))


def test_media_lie_there_once_and_go_with_the_last_backup_that_has_them(
    alice: Character, fox: Path, keys: Keys, settings: LazySettings, time_machine: Any
) -> None:
    first = heard(alice, fox)
    backup(keys, "create")
    copy = keys.folder / "media" / f"{first.storage_key}.age"
    stored = copy.stat().st_mtime_ns
    storage.delete(first.storage_key)
    second = heard(alice, fox, prompt="another")
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    assert copy.stat().st_mtime_ns == stored
    settings.BACKUPS_KEPT = 1
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    assert len(names(keys)) == 1
    assert not copy.exists()
    assert (keys.folder / "media" / f"{second.storage_key}.age").exists()
    backup(keys, "verify", "--key", str(keys.file))


@pytest.mark.parametrize("part", ["database.age", "secrets.age", "media.jsonl", "media"])
def test_any_damage_is_found(alice: Character, fox: Path, keys: Keys, part: str) -> None:
    recording = heard(alice, fox)
    backup(keys, "create")
    [name] = names(keys)
    file = keys.folder / name / part
    if part == "media":
        file = keys.folder / "media" / f"{recording.storage_key}.age"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CommandError, match="is damaged"):
        backup(keys, "verify")


def test_without_its_key_a_backup_tells_nothing(alice: Character, fox: Path, keys: Keys, tmp_path: Path) -> None:
    recording = heard(alice, fox)
    backup(keys, "create")
    everything = b"".join(file.read_bytes() for file in keys.folder.rglob("*") if file.is_file())
    for secret in (b"alice@acme.example", recording.name.encode(), b"quick brown", fox.read_bytes()[:200]):
        assert secret not in everything
    call_command("backup", "key", str(tmp_path / "other.txt"), stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CommandError, match="can't be opened"):
        backup(keys, "verify", "--key", str(tmp_path / "other.txt"))


def test_without_a_key_to_encrypt_to_none_is_made(keys: Keys, settings: LazySettings) -> None:
    settings.BACKUP_RECIPIENTS = []
    with pytest.raises(CommandError, match="backup key FILE` makes one"):
        backup(keys, "create")


def test_a_backup_that_broke_off_is_none(keys: Keys, alice: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> Iterator[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "keys_older_than", full)
    with pytest.raises(CommandError, match="No space left"):
        backup(keys, "create")
    assert names(keys) == []
    assert not list(keys.folder.glob("*.part"))
    assert not Backup.objects.exists()


def test_what_goes_out_waits_until_somebody_resumes(alice: Character, client: Client, mailoutbox: list[Any]) -> None:
    OutboundHold.objects.create(backup="2026-11-29T203000Z")
    invitations.invite(alice.actor, [Wanted("carol@acme.example", Role.VIEWER)])
    assert invitations.send_due() == 0
    assert deliveries.due_endpoints() == []
    assert "manage.py backup resume" in str(client.get("/health").json()["problems"])
    call_command("backup", "resume", stdout=StringIO())
    assert not outbound_hold.is_on()
    assert invitations.send_due() == 1
