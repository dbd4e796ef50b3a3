"""Tags and favourites on the pages."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.library import tags
from transcription.models import Tag, Transcription

SCRIPT = {"X-Requested-With": "XMLHttpRequest"}
HOSTILE = "<b>&Board</b>"


@pytest.fixture
def row(alice: Character, make: Make) -> Transcription:
    return make(alice.tenant)


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def put(client: Client, row: Transcription, name: str) -> str:
    """As the page's script does: the part that has changed is the answer."""
    answer = client.post(f"/recordings/{row.recording_id}/tags/", {"name": name}, headers=SCRIPT)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_tag_is_shown_where_its_recording_is_and_leads_to_the_others(as_alice: Client, row: Transcription) -> None:
    assert "<html" not in put(as_alice, row, HOSTILE)
    for page in ("/recordings/", "/recordings/rows/", f"/recordings/{row.recording_id}/", "/tags/"):
        text = text_of(as_alice, page)
        assert "&lt;b&gt;&amp;Board&lt;/b&gt;" in text, page
        assert "<b>&Board" not in text, page
        assert "?by=all&amp;tag=%3Cb%3E%26Board%3C%2Fb%3E" in text, page
    assert "Board meeting.mp3" in text_of(as_alice, "/recordings/?by=all&tag=%3Cb%3E%26Board%3C%2Fb%3E")
    assert "Nothing matches" in text_of(as_alice, "/recordings/?tag=Other")


def test_a_tag_is_taken_off_renamed_merged_and_deleted(as_alice: Client, alice: Character, row: Transcription) -> None:
    for name in ("Talk", "Talks", "Board"):
        put(as_alice, row, name)
    with scope.bound(alice.tenant.id):
        talk, talks, board = (Tag.objects.get(name=name) for name in ("Talk", "Talks", "Board"))
    as_alice.post(f"/recordings/{row.recording_id}/tags/{board.id}/remove/")
    assert "Board</bdi>" not in text_of(as_alice, f"/recordings/{row.recording_id}/")
    answer = as_alice.post(f"/tags/{talk.id}/", {"name": "talks", "colour": "1"}, follow=True)
    assert "There is a tag “talks”." in answer.content.decode()
    as_alice.post(f"/tags/{board.id}/", {"name": "Boards", "colour": "9" * 3000})
    answer = as_alice.post(f"/tags/{talk.id}/merge/", {"into": "x"}, follow=True)
    assert "There is no such tag" in answer.content.decode()
    answer = as_alice.post(f"/tags/{talk.id}/merge/", {"into": talks.name.upper()}, follow=True)
    assert "“Talk” is part of “Talks” now." in answer.content.decode()
    as_alice.post(f"/tags/{talks.id}/delete/")
    with scope.bound(alice.tenant.id):
        assert [tag.name for tag in Tag.objects.all()] == ["Boards"]


def test_what_is_refused_is_said_in_its_place(
    as_alice: Client, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no comma" in put(as_alice, row, "a,b")
    monkeypatch.setattr(tags, "MOST_ON_ONE", 1)
    put(as_alice, row, "Talk")
    assert "at most 1 tags" in put(as_alice, row, "Board")
    answer = as_alice.post(f"/recordings/{row.recording_id}/tags/", {"name": ""}, follow=True)
    assert "no comma" in unescape(answer.content.decode()), "without a script"


def test_a_viewer_has_favourites_and_changes_no_tags(as_bob: Client, as_alice: Client, row: Transcription) -> None:
    put(as_alice, row, "Board")
    page = f"/recordings/{row.recording_id}/"
    assert "/remove/" not in text_of(as_bob, page) + text_of(as_bob, "/tags/")
    answer = as_bob.post(f"{page}favourite/", {"favourite": "1"}, headers=SCRIPT)
    assert 'aria-pressed="true"' in answer.content.decode()
    assert 'aria-pressed="true"' in text_of(as_bob, "/recordings/")
    assert "Board meeting.mp3" in text_of(as_bob, "/recordings/?favourite=1")
    assert 'aria-pressed="true"' not in text_of(as_alice, "/recordings/")
    as_bob.post(f"{page}favourite/")
    assert "Nothing matches" in text_of(as_bob, "/recordings/?favourite=1")
