"""A file that many requests bring at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tenants import scope
from tenants.models import Quota
from tests.conftest import Character
from tests.race import at_once
from transcription.media import storage
from transcription.models import Recording, Transcription


def rush(who: Character, file: Path, count: int, folder: Path, ask: Callable[[Path], Transcription]) -> Transcription:
    """Asks at once with so many copies of a file. Returns the one transcription that answers all of them."""

    def ask_with_copy(number: int) -> Transcription:
        copy = folder / f"{number}.wav"
        copy.write_bytes(file.read_bytes())
        with scope.bound(who.tenant.id):
            return ask(copy)

    rows = at_once(count, ask_with_copy)
    assert len({row.id for row in rows}) == 1
    with scope.bound(who.tenant.id):
        assert Recording.objects.count() == Transcription.objects.count() == 1
    assert Quota.objects.get(tenant=who.tenant).stored_bytes_used == file.stat().st_size
    kept = storage.local_path("tenants") / str(who.tenant.id) / "recordings"
    assert [folder.name for folder in kept.iterdir()] == [str(rows[0].recording_id)]
    return rows[0]
