"""Takes a database back to where it was before its last upgrade, where that loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps.registry import Apps
from django.db import connection, models
from django.db.migrations import Migration
from django.db.migrations import operations as of
from django.db.migrations.executor import MigrationExecutor
from django.db.models.expressions import Value
from django.db.models.fields import NOT_PROVIDED

from portal import __version__
from portal.backup.migrations import applied_migrations, unknown_migrations
from portal.upgrade.checking import running_releases
from portal.upgrade.installed import installed, last_applied
from tenants.models import Release

GONE = (of.RemoveField, of.DeleteModel)
WRITTEN_ANEW = {
    "tenants.release",
    "transcription.engine",
    "transcription.process",
    "alerts.evaluation",
    "alerts.alert",
    "alerts.message",
}
"""What processes report and sweepers find, and this command notes."""


class CannotGoBack(Exception):
    """There is no way back by reversing migrations, for the reason given."""


@dataclass(frozen=True)
class WayBack:
    """targets: where each app goes back to. migrations: what is reversed. lost: what only this release keeps."""

    release: Release
    targets: list[tuple[str, str | None]]
    migrations: list[Migration]
    lost: list[str]


def way_back() -> WayBack:
    """Raises CannotGoBack."""
    if unknown := unknown_migrations(applied_migrations()):
        raise CannotGoBack(f"The database has {', '.join(unknown)}: run this with the code of that later release.")
    release = installed()
    if release is None or not release.before:
        raise CannotGoBack("No upgrade of this database was noted: there is nothing to go back to.")
    if running := [name for name, version in running_releases() if version == __version__]:
        raise CannotGoBack(f"Processes of {__version__} run ({', '.join(running)}): stop them, a minute before.")
    executor, now = MigrationExecutor(connection), last_applied()
    targets = [(app, release.before.get(app)) for app in now if now[app] != release.before.get(app)]
    if missing := [target for target in targets if target[1] and target not in executor.loader.graph.nodes]:
        raise CannotGoBack(f"This code has no migration {missing[0][0]}.{missing[0][1]}: it was squashed since.")
    plan = [migration for migration, _backwards in executor.migration_plan(targets)]
    if stuck := [str(one) for one in plan if any(not step.reversible for step in one.operations)]:
        raise CannotGoBack(f"It can't be reversed: {', '.join(stuck)}.")
    apps = executor.loader.project_state().apps if plan else Apps()
    lost = [
        text for migration in plan for operation in migration.operations for text in _lost(migration, operation, apps)
    ]
    return WayBack(release, targets, plan, lost)


def go_back(way: WayBack) -> None:
    MigrationExecutor(connection).migrate(way.targets)
    if installed():
        way.release.delete()


def _lost(migration: Migration, operation: object, apps: Apps) -> Iterator[str]:
    """Yields what reversing an operation takes away, or can't bring back."""
    app = migration.app_label
    if isinstance(operation, GONE):
        yield f"what {migration} took away, which was lost then"
    elif isinstance(operation, of.CreateModel) and f"{app}.{operation.name_lower}" not in WRITTEN_ANEW:
        model = apps.get_model(app, operation.name)
        if count := model._base_manager.count():
            yield f"{count} rows of {model._meta.db_table}"
    elif isinstance(operation, of.AddField) and f"{app}.{operation.model_name_lower}" not in WRITTEN_ANEW:
        model = apps.get_model(app, operation.model_name)
        if count := _differing(model, model._meta.get_field(operation.name)):
            yield f"{operation.name} of {count} rows of {model._meta.db_table}"


def _differing(model: type[models.Model], field: models.Field) -> int:  # type: ignore[type-arg]
    """Returns how many rows have something in a column that it was not added with."""
    if isinstance(field, models.ManyToManyField):
        through: type[models.Model] = field.remote_field.through  # type: ignore[assignment]
        return through._base_manager.count()
    rows = model._base_manager.all()
    default = field.db_default.value if isinstance(field.db_default, Value) else field.db_default
    if default is NOT_PROVIDED:
        default = None if field.null else field.get_default()
    if isinstance(default, models.Expression):  # a time of the database's own
        return 0
    return rows.exclude(**({f"{field.name}__isnull": True} if default is None else {field.name: default})).count()
