from __future__ import annotations

import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from portal import __version__
from portal.management.commands.doctor import SIGNS
from portal.upgrade import checking, rollback
from portal.upgrade.installed import number_of
from portal.upgrade.lock import locked

RESTORE = "Or restore the backup of before the upgrade: manage.py backup restore --replace --key FILE."
WAYS_OUT = (
    "Nothing was changed. Either put the release before back and leave the database as it is: its code goes on with "
    "it, but for limits that it doesn't know (--check names them). Or restore the backup of before the upgrade, with "
    "the code of then: manage.py backup restore --replace --key FILE. Or lose it: --discard."
)


class Command(BaseCommand):
    help = "Brings the database to this release: looks at what that will do, migrates, and notes the release."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument("--check", action="store_true", help="only say what would be done; exits with 1 on a problem")
        ways.add_argument("--backup", action="store_true", help="make a backup first")
        ways.add_argument(
            "--rollback", action="store_true", help="take the database back to where it was before the last upgrade"
        )
        parser.add_argument("--discard", action="store_true", help="with --rollback: lose what only this release keeps")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rollback"]:
            self._roll_back(discard=options["discard"])
            return
        has_problem = self._check()
        if has_problem and options["check"]:
            sys.exit(1)
        if has_problem:
            raise CommandError("Nothing was done, because of the problem above.")
        if options["check"]:
            return
        if options["backup"]:
            call_command("backup", "create", stdout=self.stdout, stderr=self.stderr)
        call_command("migrate", interactive=False, stdout=self.stdout, stderr=self.stderr)
        self.stdout.write(f"The database is that of {__version__}.")

    def _check(self) -> bool:
        """Prints what is found, and returns whether there is a problem."""
        has_problem = False
        for one in checking.examine():
            self.stdout.write(f"{SIGNS[one.state]} {one.part}: {one.text}")
            if one.remedy:
                self.stdout.write(f"{'':9}→ {one.remedy}")
            has_problem = has_problem or one.state == "problem"
        return has_problem

    def _roll_back(self, discard: bool) -> None:
        with locked(connection, self.stderr.write):
            try:
                way = rollback.way_back()
            except rollback.CannotGoBack as error:
                raise CommandError(f"{error} {WAYS_OUT.partition(' Or lose')[0]}") from None
            if way.lost and not discard:
                lost = "\n".join(f"  {one}" for one in way.lost)
                raise CommandError(f"Going back would lose what only this release keeps:\n{lost}\n{WAYS_OUT}")
            for migration in way.migrations:
                self.stdout.write(f"Reversing {migration} …")
            try:
                rollback.go_back(way)
            except rollback.CannotGoBack as error:
                raise CommandError(f"{error} {RESTORE}") from error
        self.stdout.write(f"The database is as it was before {number_of(way.release)}. Start the release before now.")
