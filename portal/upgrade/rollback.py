"""Takes a database back to where it was before its last upgrade, where that loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from django.apps.registry import Apps
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.core.exceptions import FieldDoesNotExist
from django.db import Error as DatabaseError
from django.db import connection, models
from django.db.migrations import Migration
from django.db.migrations import operations as of
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.expressions import Value
from django.db.models.fields import NOT_PROVIDED

from portal import __version__
from portal.backup.migrations import applied_migrations, unknown_migrations
from portal.upgrade.checking import running_releases
from portal.upgrade.effects import NOTHING
from portal.upgrade.installed import installed, last_applied
from tenants.models import Release

FIRST = ("tenants", "0028_release")
"""What notes releases. Going back over it would take the notes away in the middle."""
GONE = (of.RemoveField, of.DeleteModel)
INDEXES = (of.AddIndex, of.RemoveIndex, of.RenameIndex, AddIndexConcurrently, RemoveIndexConcurrently)
HARMLESS = (*NOTHING, *INDEXES, of.AddConstraint)
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
    """migrations: what is reversed, in this order. lost: what only this release keeps."""

    release: Release
    migrations: list[Migration]
    lost: list[str]


def way_back() -> WayBack:
    """Raises CannotGoBack."""
    if unknown := unknown_migrations(applied_migrations()):
        raise CannotGoBack(f"The database has {', '.join(unknown)}: run this with the code of that later release.")
    release = installed()
    if release is None or not release.before:
        raise CannotGoBack("No upgrade of this database was noted: there is nothing to go back to.")
    if release.before.get(FIRST[0], "") < FIRST[1]:
        raise CannotGoBack("The release before is of before 0.1.0, and noted nothing: migrations go back no further.")
    if running := [name for name, _told, is_this in running_releases() if is_this]:
        raise CannotGoBack(f"Processes of {__version__} run ({', '.join(running)}): stop them, a minute before.")
    executor, now = MigrationExecutor(connection), last_applied()
    targets = [(app, release.before.get(app)) for app in now if now[app] != release.before.get(app)]
    if missing := [target for target in targets if target[1] and target not in executor.loader.graph.nodes]:
        raise CannotGoBack(f"This code has no migration {missing[0][0]}.{missing[0][1]}: it was squashed since.")
    plan = [migration for migration, _backwards in executor.migration_plan(targets)]
    if stuck := [str(one) for one in plan if any(not step.reversible for step in one.operations)]:
        raise CannotGoBack(f"It can't be reversed: {', '.join(stuck)}.")
    apps = executor.loader.project_state().apps if plan else Apps()
    lost = []
    for migration in plan:
        state = executor.loader.project_state((migration.app_label, migration.name), at_end=False)
        found = [text for operation in migration.operations for text in _lost(migration, operation, state, apps)]
        if found and (narrows := getattr(migration, "narrows", "")):
            raise CannotGoBack(
                f"Old code doesn't know {narrows}, and would open what they close ({found[0]}): take them away first."
            )
        lost += found
    return WayBack(release, plan, lost)


def go_back(way: WayBack) -> None:
    """Raises CannotGoBack where the database refuses.

    Each migration is a plan of its own: of several, Django renders all models anew for whatever was migrated since the
    first of them, which takes ten times as long.
    """
    try:
        for migration in way.migrations:
            MigrationExecutor(connection).migrate(None, plan=[(migration, True)])
    except DatabaseError as error:
        left = {str(one) for one in way.migrations} & set(applied_migrations())
        stopped = next((str(one) for one in way.migrations if str(one) in left), "The last one")
        reason = str(error).strip().partition("\n")[0]
        raise CannotGoBack(
            f"{stopped} was not reversed: {reason}. Reversed are {len(way.migrations) - len(left)} before it: upgrade "
            "puts them there again, without what they had."
        ) from error
    way.release.delete()


def _lost(migration: Migration, operation: Operation, before: ProjectState, apps: Apps) -> Iterator[str]:
    """Yields what reversing an operation takes away, can't bring back, or may do that nothing here can judge."""
    app = migration.app_label
    if isinstance(operation, HARMLESS):
        return
    try:
        if isinstance(operation, of.CreateModel):
            yield from _rows_lost(apps.get_model(app, operation.name))
            return
        if isinstance(operation, of.AddField):
            model = apps.get_model(app, operation.model_name)
            yield from _values_lost(model, model._meta.get_field(operation.name))
            return
        if isinstance(operation, of.AlterField) and _fits(operation, before.models[app, operation.model_name_lower]):
            return
    except (LookupError, FieldDoesNotExist):  # renamed or gone since
        pass
    if isinstance(operation, GONE):
        yield f"what {migration} took away, which was lost then"
    else:
        yield f"what reversing {migration} does ({operation.describe()}), which nothing here can judge"


def _rows_lost(model: type[models.Model]) -> Iterator[str]:
    if model._meta.label_lower not in WRITTEN_ANEW and (count := model._base_manager.count()):
        yield f"{count} rows of {model._meta.db_table}"


def _values_lost(model: type[models.Model], field: models.Field) -> Iterator[str]:  # type: ignore[type-arg]
    if model._meta.label_lower not in WRITTEN_ANEW and (count := _differing(model, field)):
        yield f"{field.name} of {count} rows of {model._meta.db_table}"


def _fits(operation: of.AlterField, before: ModelState) -> bool:
    """Returns whether a column takes, as it was, all that it has now."""
    old, new = before.fields[operation.name], operation.field
    is_as_long = (old.max_length or inf) >= (new.max_length or inf)
    is_as_free = (old.null or not new.null) and (new.unique or not old.unique)
    return type(old) is type(new) and is_as_long and is_as_free


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
