from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcription.media import storage
from transcription.media.storage import StorageUnavailable

RETRY_SECONDS = 2.0


class Command(BaseCommand):
    help = "Makes the bucket that S3_BUCKET names, where there is none yet."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="try so long until S3 answers")

    def handle(self, *args: Any, **options: Any) -> None:
        if storage.is_local():
            raise CommandError("S3_BUCKET names no bucket.")
        deadline = time.monotonic() + options["wait"]
        while True:
            try:
                is_new = storage.make_bucket()
            except StorageUnavailable as error:
                if time.monotonic() > deadline:
                    raise CommandError(f"{error} {error.__cause__}") from None
                time.sleep(RETRY_SECONDS)
            else:
                break
        self.stdout.write(f"The bucket {settings.S3_BUCKET} {'was made' if is_new else 'is there'}.")
