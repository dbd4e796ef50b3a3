from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.doctor import PARTS, examine

SIGNS = {"ok": "ok      ", "warning": "warning ", "problem": "PROBLEM "}


class Command(BaseCommand):
    help = "Says what is wrong with this machine and its settings, and what to do; exits with 1 on a problem."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless given")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="json is for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if unknown := set(options["parts"]) - set(PARTS):
            raise CommandError(f"No part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
        found = []
        for one in examine(options["parts"]):
            found.append(one)
            if options["format"] == "text":
                self.stdout.write(f"{SIGNS[one.state]} {one.part}: {one.text}")
                if one.remedy:
                    self.stdout.write(f"{'':9}→ {one.remedy}")
        if options["format"] == "json":
            self.stdout.write(json.dumps([asdict(one) for one in found], indent=2))
        if any(one.state == "problem" for one in found):
            sys.exit(1)
