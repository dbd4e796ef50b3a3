"""What the reader of a text should know is told with the text, to programs that are told of it too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.finishing import VERSION, serve
from tests.transcription.webhooks.conftest import subscribe
from transcription.models import Segment
from transcription.queue import claims, lifecycle
from transcription.webhooks.models import Event


@pytest.mark.django_db
@pytest.mark.usefixtures("within")
def test_a_reused_text_keeps_its_warnings_and_webhooks_tell_them(alice: Character, fox: Path) -> None:
    subscribe(alice, "http://127.0.0.1:1024/told")
    serve()
    row = submit(alice.actor, fox)
    claim = claims.claim("host/1")
    assert claim is not None
    segment = Segment(tenant_id=row.tenant_id, transcription=row, index=0, start=0.0, end=2.5, text=" The fox.")
    lifecycle.save_window(claim, [segment], 2.9, "en", VERSION)
    lifecycle.complete(claim, "The fox.", 2.9, [], ["incomplete"])
    reused = submit(alice.actor, fox)
    assert (reused.reused_from, reused.warnings) == (row, ["incomplete"])
    told = [json.loads(event.body)["data"]["warnings"] for event in Event.objects.all()]
    assert told == [["incomplete"], ["incomplete"]]
