from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.schema import SchemaBehind, require_migrations
from transcription import redis
from transcription.connections import close_database
from transcription.worker.gpu_worker import AlreadyRunning, GpuWorker


class Command(BaseCommand):
    help = "Runs one engine and the RQ workers that feed it: one of these for each GPU."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            redis.require_no_eviction()
            require_migrations()
            close_database()
            GpuWorker().run()
        except (AlreadyRunning, SchemaBehind, redis.EvictsKeys) as error:
            raise CommandError(str(error)) from None
