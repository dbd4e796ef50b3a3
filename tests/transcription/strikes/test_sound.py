"""The sound that goes out: silent where it is struck, and otherwise what it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.library import recordings
from transcription.media import decode, find_ffmpeg, storage
from transcription.models import Recording, RedactedSound
from transcription.strikes import copies
from transcription.transcripts import striking
from transcription.transcripts.revisions import ANY

RATE = 16_000


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    source = ["-f", "lavfi", "-i", "sine=frequency=440:duration=6:sample_rate=44100", "-ac", "2"]
    subprocess.run([find_ffmpeg(), "-v", "error", *source, str(path)], check=True)
    return path


def loudness(path: Path, container: str) -> npt.NDArray[np.float64]:
    """Returns the loudness of each tenth of a second."""
    sound = np.frombuffer(b"".join(decode(path, container, 60.0)), "<i2").astype(float)
    blocks = sound[: len(sound) // 1600 * 1600].reshape(-1, 1600)
    levels: npt.NDArray[np.float64] = np.sqrt((blocks**2).mean(axis=1))
    return levels


@pytest.mark.django_db(transaction=True)
def test_struck_seconds_are_silent_in_what_others_hear(
    alice: Character, bob: Character, mallory: Character, client: Client, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "PAUSE", copies.PAUSE * 0)
    serve()
    with scope.bound(alice.tenant.id):
        row = finish(submit(alice.actor, tone))
        striking.strike(alice.actor, row.id, (1.0, 2.5), {ANY})
    address = f"/recordings/{row.recording_id}/media"
    client.force_login(bob.user)
    refused = client.get(address)
    assert refused.status_code == 503
    assert refused["Retry-After"]
    assert copies.make_due() == 1
    heard = client.get(address)
    with scope.bound(alice.tenant.id):
        kept = RedactedSound.objects.get(recording=row.recording_id)
        path = storage.local_path(kept.key)
    assert int(heard["Content-Length"]) == path.stat().st_size
    now, before = loudness(path, "mov,mp4,m4a,3gp,3g2,mj2"), loudness(tone, "wav")
    assert now[11:24].max() == 0.0
    assert now[10:25].max() < before.mean() / 100  # a coder smears what is beside an edge over some milliseconds
    others = [*range(1, 9), *range(26, 59)]
    assert np.allclose(now[others], before[others], rtol=0.05)

    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=row.recording_id).update(peaks=[50] * 60, duration_seconds=6.0)
    peaks = f"/recordings/{row.recording_id}/peaks.json"
    assert set(client.get(peaks).json()["peaks"][11:24]) == {0.0}
    client.force_login(alice.user)
    assert set(client.get(peaks).json()["peaks"]) == {0.5}
    assert client.get(address)["Content-Type"] == "audio/wav"
    saved = client.get(f"{address}?download&redacted")
    assert 'filename="tone.redacted.m4a"' in saved["Content-Disposition"]
    with scope.bound(alice.tenant.id):
        striking.strike(alice.actor, row.id, (2.6, 2.8), {ANY})
    assert client.get(f"{address}?redacted").status_code == 503, "no copy of what was struck before"
    assert copies.make_due() == 1
    assert not path.exists()
    client.force_login(mallory.user)
    assert client.get(address).status_code == 404
    client.force_login(alice.user)
    client.post(f"/recordings/{row.recording_id}/delete/")
    with scope.bound(alice.tenant.id):
        key = RedactedSound.objects.get(recording=row.recording_id).key
        assert storage.local_path(key).exists()
        recordings.purge(alice.tenant.id, Recording.objects.filter(id=row.recording_id))
    assert not storage.local_path(key).exists()
