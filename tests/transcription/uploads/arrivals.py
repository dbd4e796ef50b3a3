"""Uploads whose bytes have arrived, and the sweeper that settles them."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from tests.conftest import Character
from transcription.maintenance import rounds, sweeper
from transcription.uploads import creation
from transcription.uploads.creation import Plan
from transcription.uploads.files import LockedFile
from transcription.uploads.models import Upload


def begun(character: Character, content: bytes, sent: int | None = None) -> Upload:
    """An upload of which the first `sent` bytes, or all, have come: then the server was killed."""
    row = creation.open_on_disk(character.actor, Plan(name="a.wav", length=len(content)))
    slot = LockedFile(row.id, row.length)
    slot.write(content[:sent])
    slot.close()
    return row


def path_of(row: Upload) -> Path:
    return Path(settings.UPLOADS_DIR) / str(row.id)


def sweep() -> dict[str, int]:
    tasks = sweeper.ARRIVALS | {"old uploads forgotten": sweeper.EVERY_FEW_MINUTES["old uploads forgotten"]}
    tasks |= {"stray uploads dropped": sweeper.EVERY_HOUR["stray uploads dropped"]}
    return {name: count for name, count in rounds.sweep(tasks).items() if count}


def age(row: Upload, hours: float) -> None:
    """As if its last byte had come so long ago."""
    then = time.time() - hours * 3600
    os.utime(path_of(row), (then, then))
    Upload.objects.filter(id=row.id).update(created_at=timezone.now() - timedelta(hours=hours))


def sweep_stranded() -> int:
    tasks = [name for name in sweeper.EVERY_HOUR if "switched-off" in name]
    return sum(rounds.sweep({name: sweeper.EVERY_HOUR[name] for name in tasks}).values())
