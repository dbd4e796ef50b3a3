"""A recording with several audio tracks, and one with a warning, on its page."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.api.test_audio_tracks import TRACKS
from tests.portal.web.conftest import make_transcription
from transcription.models import Recording, Transcription

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(alice: Character) -> Transcription:
    row = make_transcription(
        alice.tenant, warnings=["incomplete", "other_tracks"], language="en", temperature=0.2, prompt="Foxes."
    )
    with scope.bound(alice.tenant.id):
        Recording.objects.update(audio_tracks=TRACKS, audio_track=1)
    return row


def newest(alice: Character) -> Transcription:
    with scope.bound(alice.tenant.id):
        return Transcription.objects.select_related("recording").order_by("-created_at")[0]


def test_the_page_says_what_is_wrong_and_which_track_was_taken(as_alice: Client, row: Transcription) -> None:
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "The file holds less sound than it says" in page
    assert "this is the text of track 1" in page
    assert "Track 1: Opus, mono" in page
    assert "Track 2: Opus, stereo, German, Commentary" in page
    assert f"/recordings/{row.recording_id}/media?track=1" in page
    assert 'name="audio_track" id="again_audio_track"' in page


def test_another_track_is_one_click_with_all_options_as_they_were(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    answer = as_alice.post(f"/transcriptions/{row.id}/track/", {"audio_track": "2"})
    assert answer.status_code == 302
    other = newest(alice)
    assert (other.audio_track, other.audio_track_taken, other.status) == (2, 2, "queued")
    assert (other.language, other.temperature, other.prompt) == ("en", 0.2, "Foxes.")


@pytest.mark.parametrize("number", ["3", "0", "x"])
def test_a_track_that_is_not_there_is_said_on_the_page(
    as_alice: Client, alice: Character, row: Transcription, number: str
) -> None:
    page = as_alice.post(f"/transcriptions/{row.id}/track/", {"audio_track": number}, follow=True).content.decode()
    assert "audio track must be a" in page
    assert "“audio_track”" not in page, "a person is told the parameter's name"
    assert newest(alice) == row


def test_the_dialog_chooses_a_track_too(as_alice: Client, alice: Character, row: Transcription) -> None:
    as_alice.post(f"/recordings/{row.recording_id}/again/", {"task": "transcribe", "audio_track": "2"})
    assert newest(alice).audio_track == 2


def test_a_viewer_and_a_stranger_choose_no_track(
    client: Client, alice: Character, bob: Character, mallory: Character, row: Transcription
) -> None:
    for character, status in ((bob, 403), (mallory, 404)):
        client.force_login(character.user)
        assert client.post(f"/transcriptions/{row.id}/track/", {"audio_track": "2"}).status_code == status
    client.force_login(bob.user)
    page = client.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "this is the text of track 1" in page
    assert f"/transcriptions/{row.id}/track/" not in page
    assert newest(alice) == row


def test_the_library_marks_what_has_a_warning(as_alice: Client, alice: Character, row: Transcription) -> None:
    assert as_alice.get("/recordings/").content.decode().count("With a warning") == 1


def test_a_recording_with_one_track_asks_nobody_for_it(as_alice: Client, alice: Character) -> None:
    plain = make_transcription(alice.tenant)
    page = as_alice.get(f"/recordings/{plain.recording_id}/").content.decode()
    assert "audio_track" not in page
    assert "?track=" not in page
