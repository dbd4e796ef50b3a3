"""A backup that is made beside the running portal comes back elsewhere, with every row and byte, and sends nothing."""

from __future__ import annotations

import io
import json
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

from portal.backup.folder import BackupFolder, StoredObject
from tenants import invitations, notices, outbound_hold
from tenants.invitations import Invitee
from tenants.models import Backup, OutboundHold, Role
from tests.conftest import Character
from tests.stack import ROOT
from tests.tenants.test_notices import use
from tests.transcription.characters import submit
from transcription.media import storage
from transcription.models import Recording
from transcription.queue import claims, lifecycle
from transcription.webhooks import deliveries

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]
Rows = dict[str, list[tuple[Any, ...]]]
OF_THE_RESTORE = {"tenants_outboundhold", "tenants_backup", "tenants_release", "sqlite_sequence", "sqlite_stat1"}


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
    return BackupFolder(keys.folder).names()


def listed(keys: Keys, name: str) -> list[StoredObject]:
    folder = BackupFolder(keys.folder)
    return list(folder.objects(folder.manifest(name)))


def copy_of(keys: Keys, recording: Recording) -> Path:
    """The copy of a recording's sound in the newest backup."""
    [found] = [one for one in listed(keys, names(keys)[-1]) if one.key == recording.storage_key]
    return BackupFolder(keys.folder).copy_of(found.sealed.file_sha256)


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

    def execute(self, statement: str) -> None:
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.data / "portal.sqlite3")) as opened:
                opened.execute(statement)
        else:
            with psycopg.connect(self.url) as connected:
                connected.execute(statement.encode())

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


def test_an_installation_of_another_release_is_replaced_when_asked(
    alice: Character, fox: Path, keys: Keys, elsewhere: Elsewhere
) -> None:
    """A later one, say, that went wrong: it has a table more, which names one of the backup."""
    heard(alice, fox)
    backup(keys, "create")
    arguments = ["--dir", str(keys.folder), "restore", "--key", str(keys.file)]
    assert elsewhere.run(*arguments).returncode == 0
    elsewhere.execute("CREATE TABLE of_a_later_release (id BIGINT REFERENCES tenants_user (id))")
    assert "--replace" in elsewhere.run(*arguments).stderr
    done = elsewhere.run(*arguments, "--replace")
    assert done.returncode == 0, done.stderr
    assert "of_a_later_release" not in elsewhere.rows()
    assert len(elsewhere.rows()["tenants_outboundhold"]) == 1
    assert not list(elsewhere.data.glob("plain-*"))


def test_a_lost_object_costs_itself_alone(alice: Character, fox: Path, keys: Keys, elsewhere: Elsewhere) -> None:
    lost, kept = heard(alice, fox), heard(alice, fox, prompt="another")
    backup(keys, "create")
    copy_of(keys, lost).unlink()
    with pytest.raises(CommandError, match="1 of 2 objects") as damage:
        backup(keys, "verify")
    assert lost.storage_key in str(damage.value)
    assert str(kept.id) not in str(damage.value)
    done = elsewhere.run("--dir", str(keys.folder), "restore", "--key", str(keys.file))
    assert done.returncode == 1
    assert lost.storage_key in done.stderr
    assert (elsewhere.data / "media" / kept.storage_key).read_bytes() == fox.read_bytes()


def test_media_lie_there_once_and_go_with_the_last_backup_that_has_them(
    alice: Character, fox: Path, keys: Keys, settings: LazySettings, time_machine: Any
) -> None:
    first = heard(alice, fox)
    backup(keys, "create")
    copy = copy_of(keys, first)
    storage.delete(first.storage_key)
    second = heard(alice, fox, prompt="another")
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    made = copy_of(keys, second)
    settings.BACKUPS_KEPT = 1
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    assert len(names(keys)) == 1
    assert copy_of(keys, second) == made
    assert made.exists()
    assert not copy.exists()
    backup(keys, "verify", "--key", str(keys.file))


def test_an_object_that_was_changed_under_its_key_is_copied_again_and_older_backups_keep_theirs(
    alice: Character, fox: Path, keys: Keys, time_machine: Any
) -> None:
    recording = heard(alice, fox)
    backup(keys, "create")
    [first] = names(keys)
    storage.local_path(recording.storage_key).write_bytes(b"struck")
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    assert [one.sealed.size for one in listed(keys, names(keys)[-1])] == [6]
    backup(keys, "verify", first, "--key", str(keys.file))


def test_with_another_key_all_is_encrypted_anew(
    alice: Character, fox: Path, keys: Keys, settings: LazySettings, tmp_path: Path, time_machine: Any
) -> None:
    heard(alice, fox)
    backup(keys, "create")
    out = StringIO()
    call_command("backup", "key", str(tmp_path / "new.txt"), stdout=out, stderr=StringIO())
    settings.BACKUP_RECIPIENTS = [out.getvalue().strip().removeprefix("BACKUP_RECIPIENTS=")]
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    backup(keys, "verify", "--key", str(tmp_path / "new.txt"))
    backup(keys, "verify", names(keys)[0], "--key", str(keys.file))


def test_backups_of_a_new_installation_neither_push_out_nor_hide_those_of_the_old_one(
    alice: Character, keys: Keys, settings: LazySettings, time_machine: Any
) -> None:
    backup(keys, "create")
    settings.SECRET_KEY, settings.BACKUPS_KEPT = "of another installation", 1
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    backup(keys, "create")
    assert len(names(keys)) == 2
    with pytest.raises(CommandError, match="several installations: name one"):
        backup(keys, "verify")


def test_none_is_made_while_the_last_one_is_young(alice: Character, keys: Keys) -> None:
    backup(keys, "create")
    backup(keys, "create", "--unless-within", "20")
    assert len(names(keys)) == 1


@pytest.mark.parametrize("change", [{"name": "../../etc"}, {"sums": {}}], ids=["another place", "without sums"])
def test_a_manifest_that_was_changed_is_refused(alice: Character, keys: Keys, change: dict[str, Any]) -> None:
    backup(keys, "create")
    [name] = names(keys)
    file = keys.folder / name / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CommandError, match="not of this backup"):
        backup(keys, "verify", name)


@pytest.mark.parametrize("part", ["database.age", "secrets.age", "media.jsonl", "media"])
def test_any_damage_is_found(alice: Character, fox: Path, keys: Keys, part: str) -> None:
    recording = heard(alice, fox)
    backup(keys, "create")
    [name] = names(keys)
    file = keys.folder / name / part
    if part == "media":
        file = copy_of(keys, recording)
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


def test_a_backup_that_broke_off_is_none(
    alice: Character, fox: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(28, "No space left on device")

    heard(alice, fox)
    monkeypatch.setattr(storage, "open_object", lambda _key: Full())
    with pytest.raises(CommandError, match="No space left"):
        backup(keys, "create")
    assert names(keys) == []
    assert [file.name for file in keys.folder.rglob("*") if file.is_file()] == ["lock"]
    assert not Backup.objects.exists()


def test_what_goes_out_waits_until_somebody_resumes(alice: Character, client: Client, mailoutbox: list[Any]) -> None:
    OutboundHold.objects.create(backup="2026-11-29T203000Z")
    invitations.invite(alice.actor, [Invitee("carol@acme.example", Role.VIEWER)])
    use(alice.tenant, seconds=100)
    assert notices.raise_due() > 0
    assert invitations.send_due() == notices.send_due() == 0
    assert deliveries.due_endpoints() == []
    assert "manage.py backup resume" in str(client.get("/health").json()["problems"])
    call_command("backup", "resume", stdout=StringIO())
    assert not outbound_hold.is_on()
    assert invitations.send_due() == 1
    assert notices.send_due() > 0
