"""The subtitles that the page shows over the picture are those of the files; the picture is for who may hear it all."""

from __future__ import annotations

from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import Make, make_translation
from transcription.media import storage
from transcription.models import Recording, Segment


def test_cues_are_those_of_the_file_with_the_width_of_each_line(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=row, index=1).update(text="大家好，今天开会。")
        Recording.objects.update(struck=[[0.5, 0.6]])
    other = make_translation(row, "Hi.", "Hello everybody, a meeting today.")
    layout = {"max_line_length": "10", "max_lines": "1"}
    answer = as_alice.get(f"/transcriptions/{row.id}/cues/", layout).json()
    assert answer["cues"] == [
        [0.0, 3.5, ["█████"], [], [5], [], 0],
        [4.0, 5.556, ["大家好，"], [], [8], [], 1],
        [5.556, 7.5, ["今天开会。"], [], [10], [], 1],
    ]
    srt = as_alice.get(f"/transcriptions/{row.id}/download.srt", layout).text
    assert [block.split("\n")[2] for block in srt.strip().split("\n\n")] == ["█████", "大家好，", "今天开会。"]
    both = as_alice.get(f"/transcriptions/{row.id}/cues/", layout | {"beside": str(other.id)}).json()
    assert both["cues"][1][3:6] == [["Hello", "everybody,"], [8], [5, 10]]
    assert as_alice.get(f"/transcriptions/{row.id}/cues/", {"max_lines": "99"}).status_code == 400


def test_the_picture_is_the_file_that_was_sent_and_nothing_for_who_hears_it_redacted(
    as_alice: Client, as_bob: Client, alice: Character, make: Make
) -> None:
    row = make(alice.tenant)
    address, key = f"/recordings/{row.recording_id}/media?picture", f"film-{row.id}"
    path = storage.local_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"film")
    assert as_alice.get(address).status_code == 404, "an MP3 has no picture"
    with scope.bound(alice.tenant.id):
        Recording.objects.update(storage_key=key, format="matroska,webm", playback_key="a copy of the sound")
    answer = as_bob.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "video/webm")
    with scope.bound(alice.tenant.id):
        Recording.objects.update(struck=[[0.5, 0.6]])
    assert (as_alice.get(address).status_code, as_bob.get(address).status_code) == (200, 404)
    assert "data-picture" not in as_bob.get(f"/recordings/{row.recording_id}/").text
