"""Videos with subtitles, made by the real ffmpeg and read back: what is in them, and when they go."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from django.http import Http404
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.discrepancies import Kind
from tenants.models import Quota, Tenant
from tests.conftest import Character, MakeMedia
from tests.portal.web.conftest import make_translation
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.errors import Refused
from transcription.exports import Layout
from transcription.library import recordings, retention
from transcription.maintenance import reconciliation
from transcription.media import decode, find_ffmpeg, storage
from transcription.models import Folder, Recording, Segment, SubtitledVideo, Transcription
from transcription.videos import making, orders

pytestmark = pytest.mark.django_db(transaction=True)
LINES = ("Good {morning} everybody \\N here.", "The password is swordfish.", "Goodbye.")


@pytest.fixture
def film(make_media: MakeMedia) -> Path:
    """Six seconds of white with a tone."""
    picture = ["-f", "lavfi", "-i", "color=white:s=320x180:r=5:d=6", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    return make_media.tone("film.mp4", 6.0, *picture, "-c:a", "aac")


def transcribed(who: Character, path: Path) -> Transcription:
    serve()
    row = finish(submit(who.actor, path))
    row.segments.all().delete()
    Segment.objects.bulk_create(
        Segment(tenant=row.tenant, transcription=row, index=n, start=n * 2.0, end=n * 2.0 + 1.8, text=f" {text}")
        for n, text in enumerate(LINES)
    )
    Recording.objects.filter(id=row.recording_id).update(duration_seconds=6.0)
    return recordings.transcription(who.actor, row.id)


def made(who: Character, row: Transcription, kind: str, beside: Transcription | None = None) -> SubtitledVideo:
    asked = orders.ask(who.actor, row.id, kind, Layout(20, 2), beside.id if beside else None)
    making.make_due()
    return orders.video(who.actor, asked.id)


def streams(video: SubtitledVideo) -> list[str]:
    path = storage.local_path(video.key)
    said = subprocess.run([find_ffmpeg(), "-hide_banner", "-i", str(path)], capture_output=True, text=True).stderr
    return [line.strip() for line in said.splitlines() if line.strip().startswith("Stream #")]


def subtitles(video: SubtitledVideo, track: int = 0) -> str:
    command = [find_ffmpeg(), "-v", "error", "-i", str(storage.local_path(video.key)), "-map", f"0:s:{track}"]
    return subprocess.run([*command, "-f", "srt", "pipe:1"], capture_output=True, check=True, text=True).stdout


def brightness(video: SubtitledVideo, seconds: float) -> tuple[float, float]:
    """Returns how bright the upper and the lower third of the picture are at a moment, 0 to 255."""
    command = [find_ffmpeg(), "-v", "error", "-ss", str(seconds), "-i", str(storage.local_path(video.key))]
    form = ["-frames:v", "1", "-vf", "scale=32:18", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]
    grey = np.frombuffer(subprocess.run([*command, *form], capture_output=True, check=True).stdout, np.uint8)
    grey = grey.reshape(18, 32)
    return float(grey[:6].mean()), float(grey[12:].mean())


def loudness(video: SubtitledVideo, start: float, end: float) -> float:
    path = storage.local_path(video.key)
    sound = np.frombuffer(b"".join(decode(path, "mov,mp4,m4a,3gp,3g2,mj2", 60.0)), "<i2").astype(float)
    return float(np.abs(sound[int(start * 16_000) : int(end * 16_000)]).max())


def test_a_film_with_two_texts_keeps_its_streams_and_has_both_as_tracks(alice: Character, film: Path) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, film)
        other = make_translation(row, "Guten Morgen.", "Das Passwort ist Schwertfisch.", "Tschüss.")
        stored = Quota.objects.get(tenant=alice.tenant).stored_bytes_used
        video = made(alice, row, "mp4", other)
        assert (video.error, video.percent, orders.is_current(video)) == ("", 100, True)
        picture, sound, _first, second = streams(video)
        assert "h264" in picture
        assert "320x180" in picture
        assert "aac" in sound
        assert "(eng): Subtitle: mov_text" in second
        assert "00:00:02,000 --> " in subtitles(video)
        assert "password is\nswordfish." in subtitles(video)
        assert "Schwertfisch" in subtitles(video, 1)
        assert orders.ask(alice.actor, row.id, "mp4", Layout(20, 2), other.id) == video, "the same is made once"
        assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == stored + video.bytes
        path = storage.local_path(video.key)
        mkv = made(alice, row, "mkv")
        assert "(eng): Subtitle: subrip" in streams(mkv)[2]
        assert [one for one in reconciliation.discrepancies() if one.kind == Kind.STORED_BYTES] == []
        orders.delete(alice.actor, mkv.id)
        with pytest.raises(Http404):
            orders.video(alice.actor, mkv.id)
    client = Client()
    client.force_login(alice.user)
    answer = client.get(f"/videos/{video.id}/file")
    assert int(answer["Content-Length"]) == path.stat().st_size
    assert 'filename="film.subtitles.mp4"' in answer["Content-Disposition"]
    with scope.bound(alice.tenant.id):
        recordings.erase(alice.actor, row.recording_id)
        assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == 0
    assert not path.exists()


def test_what_is_struck_is_dark_silent_and_unsaid_and_a_video_from_before_is_not_handed_out(
    alice: Character, film: Path
) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, film)
        before = made(alice, row, "burnt")
        assert orders.is_current(before)
        upper, lower = brightness(before, 3.0)
        assert upper > 230 > lower + 5, "something is written below"
        assert brightness(before, 1.85)[1] > 230, "and nothing where nobody speaks"
        Recording.objects.filter(id=row.recording_id).update(struck=[[2.0, 3.8]])
    client = Client()
    client.force_login(alice.user)
    assert client.get(f"/videos/{before.id}/file").status_code == 404
    [told] = client.get(f"/transcriptions/{row.id}/videos/").json()["videos"]
    assert told["error"].startswith("Something was struck out")
    assert "address" not in told
    assert making.drop_old() == 1
    assert not storage.local_path(before.key).exists()
    with scope.bound(alice.tenant.id):
        soft = made(alice, row, "mp4")
        said = subtitles(soft)
        assert "swordfish" not in said
        assert "█" not in said
        assert said.count("-->") == 2
        for video in (soft, made(alice, row, "burnt")):
            assert brightness(video, 3.0) == pytest.approx((0.0, 0.0), abs=20)
            assert brightness(video, 4.5)[0] > 230
            assert loudness(video, 2.1, 3.7) == 0.0
            assert loudness(video, 4.2, 5.5) > 1000


def test_sound_alone_gets_a_dark_picture(alice: Character, make_media: MakeMedia) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, make_media.tone("tone.mp3", 6.0))
        video = made(alice, row, "burnt")
        assert "1280x720" in streams(video)[0]
        assert brightness(video, 1.0)[1] > brightness(video, 1.0)[0] + 5


def test_of_recordings_that_were_joined_all_is_in_a_video_and_of_films_none_is_made(
    alice: Character, tmp_path: Path, make_media: MakeMedia, film: Path
) -> None:
    one = make_media.tone("one.wav", 3.0).read_bytes()
    (tmp_path / "joined.wav").write_bytes(one * 2)
    (tmp_path / "joined.mp4").write_bytes(film.read_bytes() * 2)
    webm = make_media("film.webm", "-i", str(film), "-c:v", "libvpx", "-c:a", "libopus")
    (tmp_path / "joined.webm").write_bytes(webm.read_bytes() * 2)
    with scope.bound(alice.tenant.id):
        sounds, *films = (transcribed(alice, tmp_path / f"joined.{kind}") for kind in ("wav", "mp4", "webm"))
        Transcription.objects.update(warnings=["mended"])
        video = made(alice, sounds, "burnt")
        assert video.error == ""
        assert loudness(video, 4.0, 5.5) > 1000
        for row in films:
            assert "could not be read to its end" in orders.reason(made(alice, row, "burnt"))


def test_letters_that_no_font_has_are_named(alice: Character, film: Path) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, film)
        row.segments.filter(index=2).update(text="\U0001e290 gone")  # Toto, of India
        video = made(alice, row, "burnt")
        assert (video.error, video.is_there) == ("no_font", False)
        assert "\U0001e290" in orders.reason(video)
        assert made(alice, row, "mkv").is_there, "a player has fonts of its own"


def test_a_video_that_died_is_made_by_the_next_one(alice: Character, film: Path) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, film)
        asked = orders.ask(alice.actor, row.id, "mp4")
        SubtitledVideo.objects.filter(id=asked.id).update(due_at=Now() + timedelta(seconds=50), fence=1, attempts=1)
        left = storage.local_path(making._key(asked, 1))
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"half")
        assert making.make_due() == 0, "somebody makes it"
        SubtitledVideo.objects.filter(id=asked.id).update(due_at=Now())
        assert making.make_due() == 1
        assert orders.video(alice.actor, asked.id).is_there
        assert not left.exists()
        SubtitledVideo.objects.filter(id=asked.id).update(finished_at=timezone.now() - timedelta(days=8))
        assert making.drop_old() == 1
        assert Quota.objects.get(tenant=alice.tenant).stored_bytes_used == row.recording.bytes


def test_limits_refuse_before_anything_is_made(alice: Character, film: Path) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, film)
        for number in range(orders.MOST_UNFINISHED):
            orders.ask(alice.actor, row.id, "mp4", Layout(20 + number, 2))
        with pytest.raises(Refused, match="still being made"):
            orders.ask(alice.actor, row.id, "mp4")
        SubtitledVideo.objects.all().delete()
        Quota.objects.update(stored_bytes=row.recording.bytes + 10)
        video = made(alice, row, "mp4")
        assert (video.error, video.key) == ("quota_stored_bytes", "")
        folder = storage.local_path(row.recording.storage_key).parent
        assert not list(folder.glob("video-*")), "nothing stays"
        Tenant.objects.update(text_retention_days=0)
        assert retention.delete_old_text() == 1
        assert not SubtitledVideo.objects.exists(), "a video says what its text said"


def test_strangers_and_viewers(
    alice: Character, bob: Character, mallory: Character, film: Path, settings: LazySettings
) -> None:
    with scope.bound(alice.tenant.id):
        row = transcribed(alice, film)
        video = made(alice, row, "mp4")
    for who, status in ((bob, 200), (mallory, 404)):
        client = Client()
        client.force_login(who.user)
        assert client.get(f"/videos/{video.id}/file").status_code == status
        assert client.get(f"/transcriptions/{row.id}/videos/").status_code == status
    client.force_login(bob.user)
    assert client.post(f"/videos/{video.id}/delete/").status_code == 403
    with scope.bound(alice.tenant.id):
        folder = Folder.objects.create(tenant=alice.tenant, name="Board", folded="board", restricted=True)
        Recording.objects.filter(id=row.recording_id).update(folder=folder)
    assert client.get(f"/videos/{video.id}/file").status_code == 404, "Bob does not see the folder"
    answer = Client().get(f"/api/v1/videos/{video.id}/file", headers=bob.bearer)
    assert answer.status_code == 200, "keys speak for the organisation"
    settings.ACCEL_MEDIA = "/media-files/"
    any_there = bob.bearer | {"If-None-Match": "*"}
    answer = Client().get(f"/api/v1/videos/{video.id}/file", headers=any_there)
    assert (answer.status_code, answer.get("ETag")) == (200, None), "nginx sends what it is asked for"
