"""A receipt says what became of a recording, and whoever has the portal's key can check it without the portal."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.http import Http404
from django.test import Client
from django.utils import timezone

from tenants import audit, scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.stack import ROOT
from tests.transcription.characters import submit
from tests.transcription.finishing import finish
from transcription.library import read_audit, recordings, retention
from transcription.models import Recording, Transcription
from transcription.receipts import keys
from transcription.receipts.recordings import receipt_of
from transcription.receipts.signatures import InvalidReceipt, verified
from transcription.transcripts import editing, striking
from transcription.transcripts.revisions import ANY, list_tag

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def done(alice: Character, fox: Path) -> Transcription:
    return finish(submit(alice.actor, fox, prompt="A secret merger.", temperature=0.2))


def receipt(alice: Character, recording_id: Any) -> dict[str, Any]:
    text = json.dumps(receipt_of(alice.actor, recording_id))
    return verified(text, keys.public_keys()).receipt


def actions(found: dict[str, Any]) -> dict[str, list[str]]:
    """Who did what: names by action."""
    told: dict[str, list[str]] = {}
    for event in found["events"]:
        told.setdefault(event["action"], []).append(event["name"] or event["by"])
    return told


def check(*arguments: str | Path) -> tuple[int, str]:
    """Runs the command, with nothing of a portal's settings."""
    command = [sys.executable, "-m", "transcription.receipts", *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_it_has_the_media_the_model_the_options_and_who_did_what(
    alice: Character, done: Transcription, client: Client, fox: Path
) -> None:
    editing.edit(alice.actor, done.id, 0, {list_tag(done), "0.0"}, "The quick red fox.")
    client.force_login(alice.user)
    client.get(f"/transcriptions/{done.id}/download.txt")
    found = receipt(alice, done.recording_id)
    sound, [text] = found["recording"], found["transcriptions"]
    assert sound["sha256"] == hashlib.sha256(fox.read_bytes()).hexdigest()
    assert (sound["bytes"], sound["added_by"]) == (fox.stat().st_size, alice.user.email)
    assert text["made_by"] == done.model_version
    assert (text["options"]["model"], text["options"]["temperature"]) == ("base", "0.2")
    assert text["text"]["revision"] == 1
    told = actions(found)
    assert (
        told["recording.created"] == told["transcript.corrected"] == told["transcript.exported"] == [alice.user.email]
    )
    assert "secret merger" not in json.dumps(found)
    assert "fox" not in json.dumps({**found, "recording": sound | {"name": ""}})


def test_it_is_there_when_all_else_is_gone_and_says_when(alice: Character, done: Transcription) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    Recording.objects.filter(id=done.recording_id).update(created_at=long_ago)
    Transcription.objects.filter(id=done.id).update(finished_at=long_ago)
    Tenant.objects.filter(id=alice.tenant.id).update(audio_retention_days=1, text_retention_days=1)
    assert (retention.delete_old_audio(), retention.delete_old_text()) == (1, 1)
    found = receipt(alice, done.recording_id)
    sha256 = found["recording"]["sha256"]
    assert found["recording"]["sound_erased_at"]
    assert "sha256" not in found["transcriptions"][0]["text"]
    assert retention.remove_empty() == 1
    found = receipt(alice, done.recording_id)
    assert found["recording"] == {"id": str(done.recording_id), "erased": True, "sha256": sha256}
    assert found["is_complete"]
    told = actions(found)
    assert told["audio.erased"] == told["transcript.erased"] == told["recording.erased"] == ["system"]
    assert told["receipt.made"] == [alice.user.email]


def test_whoever_deletes_for_good_stands_in_it(alice: Character, done: Transcription) -> None:
    recordings.erase(alice.actor, done.recording_id)
    assert actions(receipt(alice, done.recording_id))["recording.erased"] == [alice.user.email]


def test_only_a_recording_that_was_erased_is_said_to_be(alice: Character, done: Transcription) -> None:
    for another in (done.id, alice.member.tenant_id, UUID(int=7)):
        with pytest.raises(Http404):
            receipt_of(alice.actor, another)


def test_nobody_can_guess_struck_words_by_it(alice: Character, done: Transcription, client: Client) -> None:
    striking.strike(alice.actor, done.id, (0.0, done.recording.duration_seconds), {ANY})
    client.force_login(alice.user)
    text = client.get(f"/transcriptions/{done.id}/download.txt?redacted=true").content
    assert b"fox" not in text
    assert receipt(alice, done.recording_id)["transcriptions"][0]["text"]["sha256"] == hashlib.sha256(text).hexdigest()


def test_whoever_found_its_text_by_searching_stands_in_it(alice: Character, done: Transcription) -> None:
    read_audit.searched(alice.actor, 1, [done.id])
    read_audit.searched(alice.actor, 1, [UUID(int=7)])
    [search] = [event for event in receipt(alice, done.recording_id)["events"] if event["action"] == audit.SEARCHED]
    assert (search["name"], search["times"]) == (alice.user.email, 1)


def test_strangers_get_none(alice: Character, mallory: Character, done: Transcription) -> None:
    recordings.erase(alice.actor, done.recording_id)
    with scope.bound(mallory.tenant.id), pytest.raises(Http404):
        receipt_of(mallory.actor, done.recording_id)


def test_the_command_checks_it_and_the_file_without_a_portal(
    alice: Character, client: Client, done: Transcription, fox: Path, tmp_path: Path
) -> None:
    client.force_login(alice.user)
    answer = client.get(f"/recordings/{done.recording_id}/receipt.json")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{done.recording_id}.json"'
    genuine, other = tmp_path / "receipt.json", tmp_path / "other.wav"
    genuine.write_bytes(answer.content)
    other.write_bytes(b"another")
    code, said = check(genuine, "--key", keys.public_keys()[0], "--media", fox)
    assert code == 0
    assert "Genuine" in said
    assert "is the recording" in said
    assert check(genuine)[0] == 3, "anybody can have signed it"
    assert check(genuine, "--media", other)[0] == 1
    assert check(tmp_path / "nowhere.json")[0] == 2


def test_what_was_changed_or_is_another_s_is_not_genuine(alice: Character, done: Transcription) -> None:
    good = receipt_of(alice.actor, done.recording_id)
    changed = json.loads(json.dumps(good))
    changed["receipt"]["events"] = []
    for text in (json.dumps(changed), "[]", "", '{"receipt": {"a": 0.5}, "signature": {}}', "[" * 100_000):
        with pytest.raises(InvalidReceipt):
            verified(text)
    with pytest.raises(InvalidReceipt, match="another key"):
        verified(json.dumps(good), ["AAAA"])
