"""What an upgrade of this database to this release will do: `manage.py upgrade --check`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.migrations import CreateModel, Migration
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from portal import __version__, doctor
from portal.backup.migrations import LAST_OF_THEM, applied_migrations, squashed_in_part, unknown_migrations
from portal.doctor import Finding, Findings
from portal.upgrade.effects import SHORTLY, Effect, effects_of
from portal.upgrade.installed import installed, is_current, number_of
from portal.upgrade.notes import notes_since
from tenants.models import Backup
from transcription import processes
from transcription.models import Engine, Process, Sweeper
from transcription.models.engine import LATELY as ENGINES_LATELY
from transcription.models.sweeper import LATELY as SWEEPERS_LATELY

MANY_ROWS = 100_000
OLD_BACKUP = timedelta(hours=24)
NEVER_NOTED = f"a release before {__version__} that noted no version"


def examine() -> Findings:
    """Yields what an upgrade will do and wants; a problem is what it must not begin with."""
    applied = applied_migrations()
    if not applied:
        yield Finding("release", "ok", f"the database is new, and becomes that of {__version__}")
        return
    if squashed_in_part(applied):
        remedy = f"Migrate it first with {LAST_OF_THEM}."
        yield Finding("release", "problem", "the database is of before 2026-11-29", remedy)
        return
    last = installed()
    version = number_of(last) if last else ""
    when = f" since {last.installed_at:%Y-%m-%d}" if last else ""
    other = " with other migrations" if version == __version__ and not is_current() else ""
    code = f"{__version__}{other}"
    yield Finding("release", "ok", f"the database is of {version or NEVER_NOTED}{when}, this code is {code}")
    if unknown := unknown_migrations(applied):
        remedy = "Old code runs on it as it is; to take the schema back, run --rollback with the later release's code."
        yield Finding("release", "warning", f"it has migrations of a later release: {', '.join(unknown)}", remedy)
    pending = list(_pending())
    yield from _migrations(pending)
    yield from _limits()
    yield from _processes(breaks=any(effect.breaks for _name, effects in pending for effect in effects))
    yield from _backup()
    yield from doctor.examine(["disk"])
    for note in notes_since(version) if not is_current() else ():
        yield Finding("notes", "warning", note)


def _pending() -> Iterator[tuple[str, list[Effect]]]:
    """Yields each migration that is to come, and what it does to tables that there are."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return
    known = [key for key in executor.loader.applied_migrations if key in executor.loader.graph.nodes]
    state = executor.loader.project_state(known)
    there, new = set(connection.introspection.table_names()), set[str]()
    for migration, _backwards in plan:
        effects = effects_of(migration, state, frozenset(new))
        new |= _tables(migration) - there
        yield str(migration), [effect for effect in effects if effect.table in there or effect.breaks]


def _tables(migration: Migration) -> set[str]:
    made = (operation for operation in migration.operations if isinstance(operation, CreateModel))
    return {f"{migration.app_label}_{operation.name_lower}" for operation in made}


def _migrations(pending: list[tuple[str, list[Effect]]]) -> Findings:
    if not pending:
        yield Finding("migrations", "ok", "none are to come")
    for name, effects in pending:
        if broken := sorted({f"{effect.table}: {effect.breaks}" for effect in effects if effect.breaks}):
            remedy = "Stop the processes of the release before, and start none of them again."
            yield Finding("migrations", "warning", f"{name} is not survived by old code ({'; '.join(broken)})", remedy)
        else:
            yield Finding("migrations", "ok", f"{name}: old processes may go on beside it")
        yield from _locks(name, effects)


def _limits() -> Findings:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if limits := [narrows for migration, _backwards in plan if (narrows := getattr(migration, "narrows", ""))]:
        remedy = "Use them when all processes are new. Old code that is put back doesn't know them either."
        yield Finding("migrations", "warning", f"old code doesn't know: {', '.join(limits)}", remedy)


def _locks(name: str, effects: list[Effect]) -> Findings:
    tables = defaultdict(set)
    for effect in effects:
        if effect.locked != SHORTLY:
            tables[effect.table].add(effect.locked)
    for table, locked in tables.items():
        rows = estimated_rows(table)
        text = f"{name} locks {table} (about {rows:,} rows) {' and '.join(sorted(locked))}"
        is_long = rows >= MANY_ROWS
        remedy = "Choose an hour with little work; requests wait meanwhile." if is_long else ""
        yield Finding("migrations", "warning" if is_long else "ok", text, remedy)


def estimated_rows(table: str) -> int:
    """Returns PostgreSQL's own estimate, or the number of rows where there is none; 0 for what is no table."""
    if table not in connection.introspection.table_names():
        return 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
            [estimate] = cursor.fetchone()
            if estimate >= 0:
                return int(estimate)
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
        [count] = cursor.fetchone()
        return int(count)


def _processes(breaks: bool) -> Findings:
    running = running_releases()
    others = [f"{name} ({told})" for name, told, is_this in running if not is_this]
    if others and breaks:
        remedy = "Stop them, a minute before."
        yield Finding("processes", "problem", f"of another release run: {', '.join(others)}", remedy)
    elif running:
        yield Finding(
            "processes", "ok", f"running: {', '.join(f'{name} ({told})' for name, told, _is_this in running)}"
        )
    else:
        yield Finding("processes", "ok", "none reports")


def running_releases() -> list[tuple[str, str, bool]]:
    """Returns the processes that reported lately, with what to say of their release, and whether it is this code."""
    try:
        with transaction.atomic():
            return [(str(process), *_release_of(process)) for process in processes.read().alive]
    except DatabaseError:  # the database is of before they told it
        engines, sweepers = Engine.objects.filter(ENGINES_LATELY), Sweeper.objects.filter(SWEEPERS_LATELY)
        names = (*engines.values_list("name", flat=True), *sweepers.values_list("host", flat=True))
        return [(name, "before 0.1.0", False) for name in names]


def _release_of(process: Process) -> tuple[str, bool]:
    if process.release != __version__:
        return process.release, False
    is_this = process.figures.get(processes.MIGRATIONS) == processes.migrations()
    return (process.release if is_this else f"{process.release} with other migrations"), is_this


def _backup() -> Findings:
    last = Backup.objects.values_list("finished_at", flat=True).first()
    remedy = "Make one: manage.py upgrade --backup, or manage.py backup create."
    if last is None:
        yield Finding("backup", "warning", "there is none", remedy)
    elif (age := timezone.now() - last) > OLD_BACKUP:
        yield Finding("backup", "warning", f"the last one is {age.total_seconds() / 3600:.0f} hours old", remedy)
    else:
        yield Finding("backup", "ok", f"the last one is {age.total_seconds() / 3600:.1f} hours old")
