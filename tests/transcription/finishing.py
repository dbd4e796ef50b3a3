"""What an engine and its workers do, without either: a version is served, a transcription is completed."""

from __future__ import annotations

from dataclasses import replace

from tests.portal.ops.conftest import condition
from transcription.models import Segment, Transcription
from transcription.options import engines
from transcription.queue import claims, lifecycle

VERSION = "base 0123456789ab ctranslate2 4.6.0 int8 cpu r1"


def serve(version: str = VERSION) -> None:
    engines.report("here:0", replace(condition(), versions={"base": version}), workers_alive=1, workers_wanted=1)


def finish(row: Transcription, version: str = VERSION) -> Transcription:
    """Claims the next transcription, which is to be `row`, and completes it."""
    claim = claims.claim("host/1")
    assert claim is not None
    assert claim.transcription_id == row.id
    segment = Segment(
        tenant_id=row.tenant_id, transcription=row, index=0, start=0.0, end=2.5, text=" The fox.", tokens=[1, 2]
    )
    lifecycle.save_window(claim, [segment], 2.9, "en", version)
    lifecycle.complete(claim, "The fox.", 2.9, [3, 4])
    row.refresh_from_db()
    return row
