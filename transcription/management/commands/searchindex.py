from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from transcription import search


class Command(BaseCommand):
    help = "Rebuilds the search index while the portal runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--missing", action="store_true", help="add only recordings that are missing")

    def handle(self, *args: Any, **options: Any) -> None:
        count = search.index_missing() if options["missing"] else search.rebuild()
        self.stdout.write(f"{count} recordings were indexed.")
