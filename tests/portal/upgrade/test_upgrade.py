"""manage.py upgrade: what it says beforehand, what it notes, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from portal import __version__
from portal.upgrade.effects import effects_of
from portal.upgrade.installed import last_applied, noting, this_one
from portal.upgrade.notes import notes_since
from tenants import scope
from tenants.models import Release
from tests.conftest import Character
from transcription.alerts.models import Evaluation
from transcription.models import Process
from transcription.processes import MIGRATIONS, Registration
from transcription.webhooks.models import Endpoint

OURS = ("portal.", "tenants.", "transcription.")
ONLY_BY_RULES = import_module("transcription.webhooks.migrations.0002_only_by_rules").Migration
BEFORE_RELEASES = {"shares.0002_embedding", "shares.0003_sound_track"}
"""Written before there was anything to upgrade."""


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("upgrade", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_every_migration_since_the_squashed_ones_is_survived_by_old_code() -> None:
    """Or says in `survived_because` why it is all the same. A removal takes two releases: code first."""
    loader = MigrationLoader(None)
    state, seen = ProjectState(real_apps=loader.unmigrated_apps), set()
    for leaf in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(leaf):
            if key in seen:
                continue
            seen.add(key)
            migration = loader.get_migration(*key)
            is_first = bool(migration.replaces or migration.initial)
            if is_first or not migration.__module__.startswith(OURS) or str(migration) in BEFORE_RELEASES:
                state = migration.mutate_state(state, preserve=False)
                continue
            broken = [effect for effect in effects_of(migration, state) if effect.breaks]
            assert not broken, f"{migration}: {broken}"


def migration(*operations: Operation, because: str = "") -> migrations.Migration:
    body = {"operations": list(operations), "survived_because": because}
    made: migrations.Migration = type("Migration", (migrations.Migration,), body)("of_books", "shelf")
    return made


def judged(*operations: Operation, because: str = "") -> list[str]:
    """What old code doesn't survive of a migration of books with a title."""
    title: models.Field[Any, Any] = models.CharField(max_length=20, null=True)
    state = migration(migrations.CreateModel("Book", [("title", title)])).mutate_state(ProjectState())
    return [effect.breaks for effect in effects_of(migration(*operations, because=because), state) if effect.breaks]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("operation", "is_survived"),
    [
        (migrations.AddField("book", "pages", models.IntegerField(null=True)), True),
        (migrations.AddField("book", "pages", models.IntegerField(default=0, db_default=0)), True),
        (migrations.AddField("book", "pages", models.IntegerField(default=0)), False),
        (migrations.RemoveField("book", "title"), False),
        (migrations.RenameField("book", "title", "name"), False),
        (migrations.RenameModel("Book", "Tome"), False),
        (migrations.DeleteModel("Book"), False),
        (migrations.AlterField("book", "title", models.CharField(max_length=30, null=True)), True),
        (migrations.AlterField("book", "title", models.CharField(max_length=10, null=True)), False),
        (migrations.AlterField("book", "title", models.CharField(max_length=20)), False),
        (migrations.AlterField("book", "title", models.IntegerField(null=True)), False),
        (migrations.AddIndex("book", models.Index(fields=["title"], name="by_title")), True),
        (migrations.AddConstraint("book", models.UniqueConstraint(fields=["title"], name="one_title")), False),
        (migrations.RunSQL("DELETE FROM shelf_book"), False),
        (migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]), True),
    ],
    ids=lambda value: value.describe() if hasattr(value, "describe") else "",
)
def test_what_old_code_does_not_survive_is_known(operation: Operation, is_survived: bool) -> None:
    assert (not judged(operation)) is is_survived
    assert not judged(operation, because="it was reviewed")


@pytest.mark.django_db(transaction=True)
class TestTheWayBack:
    """This release is one that brought alerts, and the last migration of webhooks."""

    LAST = "webhooks.0002_only_by_rules"

    @pytest.fixture(autouse=True)
    def upgraded(self) -> Iterator[None]:
        Release.objects.all().delete()
        Release.objects.create(version="0.0.1")
        self.before = last_applied() | {"webhooks": "0001_initial"}
        del self.before["alerts"]
        Evaluation.objects.get_or_create(id=1)
        Release.objects.create(version=__version__, before=self.before)
        yield
        call_command("migrate", interactive=False, verbosity=0)

    def test_it_goes_back_and_forth(self) -> None:
        assert f"Reversing {self.LAST}" in said("--rollback")
        assert last_applied() == self.before
        assert Release.objects.get().version == "0.0.1"
        checked = said("--check")
        assert "the database is of 0.0.1" in checked
        assert f"{self.LAST}: old processes may go on beside it" in checked
        assert f"The database is that of {__version__}" in said()
        assert Release.objects.values_list("before", flat=True).first() == self.before

    def test_what_only_this_release_keeps_is_not_lost_unasked(self, alice: Character) -> None:
        with scope.across_tenants("a test"):
            Endpoint.objects.create(tenant=alice.tenant, url="https://x.example", only_by_rules=True)
        with pytest.raises(CommandError, match=r"only_by_rules of 1 rows of webhooks_endpoint\n.* backup restore"):
            said("--rollback")
        assert last_applied() != self.before
        said("--rollback", "--discard")
        assert last_applied() == self.before

    def test_not_under_processes_of_this_release(self) -> None:
        Registration("sweeper").report()
        with pytest.raises(CommandError, match=f"Processes of {re.escape(__version__)} run"):
            said("--rollback")

    def test_processes_of_its_number_with_other_migrations_are_of_another_one(self) -> None:
        Registration("sweeper").report()
        Process.objects.update(figures={MIGRATIONS: "other"})
        assert f"({__version__} with other migrations)" in said("--check")
        assert f"Reversing {self.LAST}" in said("--rollback")

    def test_migrations_under_the_same_number_are_an_upgrade_of_its_own(self) -> None:
        Release.objects.create(version=f"{__version__}+of-code-before", before=self.before)
        call_command("migrate", "webhooks", "0001", verbosity=0)
        assert "this code is" in said("--check")
        assert f"{__version__} with other migrations" in said("--check")
        half_way = last_applied()
        said()
        assert Release.objects.values_list("version", "before").first() == (this_one(), half_way)

    def test_what_old_code_would_open_is_not_gone_back_over(
        self, alice: Character, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with scope.across_tenants("a test"):
            Endpoint.objects.create(tenant=alice.tenant, url="https://x.example", only_by_rules=True)
        monkeypatch.setattr(ONLY_BY_RULES, "narrows", "webhooks only by rules", raising=False)
        with pytest.raises(CommandError, match="Old code doesn't know webhooks only by rules"):
            said("--rollback", "--discard")
        call_command("migrate", "webhooks", "0001", verbosity=0)
        assert "old code doesn't know: webhooks only by rules" in said("--check")

    def test_not_to_before_releases_were_noted(self) -> None:
        Release.objects.filter(version=__version__).update(before=self.before | {"tenants": "0027_keys_of_folders"})
        with pytest.raises(CommandError, match="noted nothing"):
            said("--rollback", "--discard")

    def test_what_nothing_can_judge_is_said_and_what_the_database_refuses(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = migrations.RunSQL("SELECT 1", "SELECT no_such_thing")
        monkeypatch.setattr(ONLY_BY_RULES, "operations", [*ONLY_BY_RULES.operations, code])
        with pytest.raises(CommandError, match=rf"reversing {self.LAST} does \(Raw SQL"):
            said("--rollback")
        with pytest.raises(CommandError, match=rf"{self.LAST} was not reversed: .*backup restore"):
            said("--rollback", "--discard")
        assert last_applied() != self.before

    def test_an_upgrade_that_breaks_off_is_one(self) -> None:
        Release.objects.filter(version=__version__).delete()
        at_first = last_applied()
        with pytest.raises(CommandError, match="broke off"):
            self.break_off()
        assert Release.objects.values_list("version", "before").first() == (this_one(), at_first)

    def break_off(self) -> None:
        with noting():
            call_command("migrate", "webhooks", "0001", verbosity=0)
            raise CommandError("It broke off.")


@pytest.mark.django_db(transaction=True)
class TestTheDatabaseBehind:
    """Of the release before, until it is migrated."""

    @pytest.fixture(autouse=True)
    def behind(self) -> Iterator[None]:
        recorder = MigrationRecorder(connection)
        names = [name for app, name in recorder.applied_migrations() if app == "shares" and name >= "0003"]
        for name in names:
            recorder.record_unapplied("shares", name)
        yield
        for name in names:
            recorder.record_applied("shares", name)

    @pytest.mark.parametrize("process", ["sweeper", "gpuworker"])
    def test_new_processes_do_not_start_on_it(self, process: str) -> None:
        with pytest.raises(CommandError, match=r"lacks migrations of this release: shares\.\d+"):
            call_command(process)

    def test_what_old_code_does_not_survive_waits_until_it_is_stopped(self) -> None:
        Registration("sweeper").report()
        Process.objects.update(release="0.0.1")
        with pytest.raises(CommandError, match="Nothing was done"):
            said()


def test_the_notes_are_those_since_the_installed_release(tmp_path: Path, settings: LazySettings) -> None:
    settings.BASE_DIR = tmp_path
    entries = {"Unreleased": "newest", "0.2.0 (2026-12-02)": "newer", "0.1.0 (2026-12-01)": "old"}
    text = "".join(f"## {title}\n\n- {what}. **When upgrading**: look.\n- Else.\n\n" for title, what in entries.items())
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{text}")
    assert [note.partition(".")[0] for note in notes_since("0.1.0")] == ["newest", "newer"]
    assert len(notes_since("")) == 3
    assert len(notes_since("0.2.0rc1")) == 1
