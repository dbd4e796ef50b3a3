"""What a migration does to tables, and whether processes of the release before go on beside it.

A migration whose operations look as if they did not, and which they survive all the same, says why in an attribute
`survived_because`: a column is taken away when no code has used it since the release before, say.

One that brings a limit which old code doesn't know names it in `narrows`: nobody is to rely on it while old processes
run, and there is no way back over it where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import connection, models
from django.db.migrations import Migration
from django.db.migrations import operations as of
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.fields import NOT_PROVIDED

NOTHING = (of.AlterModelOptions, of.AlterModelManagers, of.AlterOrderWithRespectTo)
ENDS_OLD_CODE = (of.RemoveField, of.DeleteModel, of.RenameField, of.RenameModel, of.AlterModelTable)
CHECKS_ROWS = (of.AddConstraint, of.AlterUniqueTogether)
SHORT = (
    of.RemoveIndex,
    of.RemoveConstraint,
    of.RenameIndex,
    of.AlterIndexTogether,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
NEW, SHORTLY, WRITES, ALL = "", "for a moment", "against writing, while an index is built", "while all rows are read"
REWRITTEN, CODE = "while all rows are written anew", "as its own code does"


@dataclass(frozen=True)
class Effect:
    """What one operation does. table: "" where it is new. locked: how long. breaks: what old code doesn't survive."""

    table: str
    locked: str = NEW
    breaks: str = ""


def effects_of(migration: Migration, state: ProjectState, new: frozenset[str] = frozenset()) -> list[Effect]:
    """Returns what a migration does, and changes `state` as it does. `new`: tables without rows.

    Models are rendered of copies of the state, where they are asked for: each operation would render them all again.
    """
    made, effects = set(new), []
    for operation in migration.operations:
        before = state.clone()
        operation.state_forwards(migration.app_label, state)
        for effect in _effects(operation, migration.app_label, before, state.clone()):
            if effect.locked == NEW and not effect.breaks:
                made.add(effect.table)
            elif effect.table not in made:
                effects.append(effect)
    if getattr(migration, "survived_because", ""):
        return [replace(effect, breaks="") for effect in effects]
    return effects


def _effects(operation: Operation, app: str, before: ProjectState, after: ProjectState) -> Iterator[Effect]:
    if isinstance(operation, of.SeparateDatabaseAndState):
        for one in operation.database_operations:
            yield from _effects(one, app, before, after)
    elif isinstance(operation, of.RunPython | of.RunSQL):
        yield Effect(app, CODE, "runs code of its own, which nothing here can judge")
    elif isinstance(operation, of.CreateModel):
        yield Effect(_table(after, app, operation.name))
    elif isinstance(operation, NOTHING):
        return
    elif isinstance(operation, of.AddField | of.AlterField):
        yield from _field_effects(operation, app, before, after)
    else:
        yield _other(operation, app, before)


def _other(operation: Operation, app: str, before: ProjectState) -> Effect:
    named = (getattr(operation, attribute, "") for attribute in ("model_name", "name", "old_name"))
    name = str(next(filter(None, named), ""))
    table = _table(before, app, name) if (app, name.lower()) in before.models else app
    if isinstance(operation, SHORT):
        return Effect(table, SHORTLY)
    if isinstance(operation, of.AddIndex):
        return Effect(table, WRITES)
    if isinstance(operation, CHECKS_ROWS):
        return Effect(table, ALL, "forbids rows that old code may write")
    if isinstance(operation, ENDS_OLD_CODE):
        return Effect(table, SHORTLY, "takes away what old code asks for")
    return Effect(table, CODE, f"{type(operation).__name__}, which nothing here can judge")


def _field_effects(
    operation: of.AddField | of.AlterField, app: str, before: ProjectState, after: ProjectState
) -> Iterator[Effect]:
    table = _table(after, app, operation.model_name)
    if isinstance(operation, of.AddField):
        added = operation.field
        if isinstance(added, models.ManyToManyField):
            yield Effect(getattr(added, "db_table", None) or f"{table}_{operation.name}")
        else:
            yield Effect(table, _adding(added), "" if _may_be_left_out(added) else "old code leaves the new column out")
        return
    if isinstance(operation.field, models.ManyToManyField):
        return
    old, field = (
        state.apps.get_model(app, operation.model_name)._meta.get_field(operation.name) for state in (before, after)
    )
    if not connection.schema_editor()._field_should_be_altered(old, field):  # type: ignore[attr-defined]
        return
    is_other = _length(field) < _length(old) or _type(field) != _type(old)
    if old.null and not field.null:
        yield Effect(table, ALL, "refuses what old code leaves empty")
    elif field.unique and not old.unique:
        yield Effect(table, ALL, "forbids rows that old code may write")
    elif is_other:
        yield Effect(table, REWRITTEN, "takes other values than old code writes")
    else:
        yield Effect(table, SHORTLY)


def _adding(field: models.Field) -> str:  # type: ignore[type-arg]
    if isinstance(field, models.GeneratedField):
        return REWRITTEN
    return WRITES if field.unique or getattr(field, "db_index", False) else SHORTLY


def _may_be_left_out(field: models.Field) -> bool:  # type: ignore[type-arg]
    return field.null or field.db_default is not NOT_PROVIDED or isinstance(field, models.GeneratedField)


def _length(field: models.Field) -> float:  # type: ignore[type-arg]
    return float("inf") if field.max_length is None else field.max_length


def _type(field: models.Field) -> str:  # type: ignore[type-arg]
    return (field.db_type(connection) or "").partition("(")[0]


def _table(state: ProjectState, app: str, name: str) -> str:
    model = state.models[app, name.lower()]
    return str(model.options.get("db_table") or f"{app}_{model.name_lower}")
