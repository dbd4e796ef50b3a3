from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from transcription import search


class Command(BaseCommand):
    help = "Writes the search index anew, while the portal runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--missing", action="store_true", help="only recordings that are not in it")

    def handle(self, *args: Any, **options: Any) -> None:
        count = search.index_missing() if options["missing"] else search.rebuild()
        self.stdout.write(f"{count} recordings are in the search index anew.")
