"""Copies a database while it is in use, and puts a copy in a database's place."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, connections, transaction
from psycopg.conninfo import make_conninfo

from portal import env
from portal.backup.errors import BackupError
from transcription.redaction import redact


@contextmanager
def dumped() -> Iterator[IO[bytes]]:
    """Yields the database as it is at one moment: SQLite's file, or pg_dump's custom format. Raises BackupError."""
    with _dumped_sqlite() if connection.vendor == "sqlite" else _dumped_postgresql() as copy:
        yield copy


@contextmanager
def scratch(why: str) -> Iterator[Path]:
    """Yields a folder for decrypted copies, and deletes what others left that were killed."""
    settings.DATA.mkdir(parents=True, exist_ok=True)
    for stray in settings.DATA.glob(f"plain-{why}-*"):
        shutil.rmtree(stray, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=settings.DATA, prefix=f"plain-{why}-") as folder:
        yield Path(folder)


@contextmanager
def _dumped_sqlite() -> Iterator[IO[bytes]]:
    with scratch("backup") as folder:
        copy = folder / "database"
        with closing(_opened(Path(str(connection.settings_dict["NAME"])))) as source, closing(_opened(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        with copy.open("rb") as file:
            yield file


@contextmanager
def _dumped_postgresql() -> Iterator[IO[bytes]]:
    command = [tool("pg_dump"), "--format=custom", "--no-owner", "--no-acl", *_place()]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, stderr=said)
        assert process.stdout
        try:
            yield process.stdout
        finally:
            process.stdout.close()
            status = process.wait()
        _require_success(status, said)


def load(copy: Path, name: str) -> None:
    """Puts the copy in the database's place, with a hold of what goes out. After BackupError all is as before."""
    connections.close_all()
    if connection.vendor == "sqlite":
        _load_sqlite(copy, name)
    else:
        _load_postgresql(copy, name)


def has_rows(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608
        return cursor.fetchone() is not None


def check(copy: Path) -> None:
    """Raises BackupError where a decrypted copy is no database of this vendor, or is damaged."""
    if connection.vendor == "sqlite":
        try:
            with closing(_opened(copy)) as opened:
                [[said]] = opened.execute("PRAGMA integrity_check(1)").fetchall()
        except sqlite3.Error as error:
            said = str(error)
        if said != "ok":
            raise BackupError(f"The database of the backup is damaged: {said}.")
        return
    with tempfile.TemporaryFile() as said_by:
        done = subprocess.run(
            [tool("pg_restore"), "--list", str(copy)], stdout=subprocess.DEVNULL, stderr=said_by, check=False
        )
        _require_success(done.returncode, said_by)


def tool(name: str) -> str:
    """Returns the path of one of PostgreSQL's programs. Raises BackupError."""
    found = shutil.which(name, path=os.pathsep.join(filter(None, (settings.POSTGRESQL_PROGRAMS, os.defpath))))
    found = found or shutil.which(name)
    if found is None:
        version = connection.get_database_version()[0]
        raise BackupError(
            f"{name} is not installed. Install PostgreSQL's client programs, version {version} or newer "
            f"(postgresql-client-{version} on Debian), or name their folder in POSTGRESQL_PROGRAMS."
        )
    return found


def _load_sqlite(copy: Path, name: str) -> None:
    """By SQLite's own backup, so that whoever still reads the old database sees it whole, and then the new one."""
    with closing(_opened(copy)) as source, closing(_opened(Path(str(connection.settings_dict["NAME"])))) as target:
        source.execute("DELETE FROM tenants_outboundhold")
        source.execute("INSERT INTO tenants_outboundhold (since, backup) VALUES (CURRENT_TIMESTAMP, ?)", [name])
        source.commit()
        source.backup(target)
        target.execute("PRAGMA journal_mode=WAL")


def _load_postgresql(copy: Path, name: str) -> None:
    """The former schema is set aside, and comes back where the copy can't be loaded."""
    _run("DROP SCHEMA IF EXISTS replaced CASCADE", "ALTER SCHEMA public RENAME TO replaced", "CREATE SCHEMA public")
    options = ["--no-owner", "--no-acl", "--single-transaction", "--exit-on-error"]
    try:
        with tempfile.TemporaryFile() as said:
            command = [tool("pg_restore"), *options, *_place(), str(copy)]
            status = subprocess.run(command, env=_environment(), stderr=said, check=False).returncode
            _require_success(status, said)
    except BaseException:
        _run("DROP SCHEMA public CASCADE", "ALTER SCHEMA replaced RENAME TO public")
        raise
    _run("DELETE FROM tenants_outboundhold", "DROP SCHEMA replaced CASCADE", hold=name)


def _run(*statements: str, hold: str = "") -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        if hold:
            cursor.execute("INSERT INTO tenants_outboundhold (since, backup) VALUES (now(), %s)", [hold])


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=20)


def _place() -> list[str]:
    """Returns where the database is, with all that its URL says but the password.

    Neither end hangs up while the other one waits for its disk, which to TCP looks like a cut link.
    """
    place: dict[str, Any] = connection.settings_dict
    known = {name: value for name, value in place["OPTIONS"].items() if type(value) in (str, int)}
    options = known | {"tcp_user_timeout": 0}
    if options.get("options"):
        options["options"] += " -c tcp_user_timeout=0"
    named = {"host": place["HOST"], "port": place["PORT"], "user": place["USER"], "dbname": place["NAME"], **options}
    return ["--dbname", make_conninfo("", **{name: value for name, value in named.items() if value})]


def _environment() -> dict[str, str]:
    """The password goes by the environment: command lines are everybody's to read."""
    password = connection.settings_dict["PASSWORD"]
    return env.environment_without_secrets(**({"PGPASSWORD": str(password)} if password else {}))


def _require_success(status: int, said: IO[bytes]) -> None:
    if status:
        said.seek(0)
        lines = redact(said.read(4000).decode(errors="replace")).strip().splitlines() or [f"status {status}"]
        raise BackupError(f"PostgreSQL's program failed: {lines[-1]}")
