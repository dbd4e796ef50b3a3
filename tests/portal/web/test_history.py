"""The history of a transcript: who corrected what, and the way back."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.web import history as page_of
from tenants import api_keys, scope
from tenants.access import key_actor
from tenants.models import AuditEntry, Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.models import Revision, Segment, Transcription
from transcription.transcripts import editing, revisions
from transcription.transcripts.segment_edits import SegmentEdit
from transcription.transcripts.validation import MAX_SEGMENTS

pytestmark = pytest.mark.django_db
HIDDEN = re.compile(r'<span class="visually-hidden"[^>]*>.*?</span>', re.DOTALL)


@pytest.fixture
def row(acme: Tenant, make: Make) -> Transcription:
    return make(acme, text="Good morning. There are <b>two</b> risks.")


def correct(who: Character, row: Transcription, text: str, index: int = 0) -> None:
    with scope.bound(row.tenant_id):
        editing.edit(who.actor, row.id, index, {"*"}, text)


def read(client: Client, row: Transcription, query: str = "") -> str:
    answer = client.get(f"/transcriptions/{row.id}/history/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def differences(text: str) -> list[str]:
    """What is said of each correction, as it is seen: [-went-], {+came+}."""
    found = []
    for shown in re.findall(r'<p class="difference"[^>]*>(.*?)</p>', text, re.DOTALL):
        seen = HIDDEN.sub("", shown)
        for tag, mark in (("del", r"[-\1-]"), ("ins", r"{+\1+}")):
            seen = re.sub(f"<{tag}>(.*?)</{tag}>", mark, seen)
        found.append(unescape(re.sub("<.*?>", "", seen)))
    return found


def test_each_correction_says_who_and_which_words(as_bob: Client, alice: Character, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        key, _secret = api_keys.issue(alice.tenant, "<i>Robot</i>", alice.user)
        robot = key_actor(key, key.prefix)
        editing.edit(robot, row.id, 0, {"*"}, "Good evening.")
    correct(alice, row, "There are three risks.", index=1)
    text = read(as_bob, row)
    assert differences(text) == ["There are [-<b>two</b>-] {+three+} risks.", "Good [-morning.-] {+evening.+}"]
    assert text.index("alice@acme.example</strong>") < text.index("&lt;i&gt;Robot&lt;/i&gt;</strong>")
    assert "<b>two" not in text
    assert "removed:" in text, "those who hear the page are told"


def test_segments_that_are_split_merged_and_removed(as_alice: Client, alice: Character, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        editing.split(alice.actor, row.id, 0, 5, None, {"*"})
        editing.merge(alice.actor, row.id, 0, {"*"})
        editing.remove(alice.actor, row.id, 0, {"*"})
    assert differences(read(as_alice, row)) == ["[-Good morning.-]", "Good[-↵-] morning.", "Good{+↵+} morning."]


def test_times_that_were_changed(as_alice: Client, alice: Character, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        editing.edit(alice.actor, row.id, 0, {"*"}, end=3.0)
    assert "Only times were changed." in read(as_alice, row)


def test_scripts_without_spaces_are_compared_character_by_character(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    correct(alice, row, "董事会议纪要")
    correct(alice, row, "董事会记录")
    assert differences(read(as_alice, row))[0] == "董事会[-议纪要-]{+记录+}"


def test_far_from_a_change_the_words_are_left_out(as_alice: Client, alice: Character, row: Transcription) -> None:
    words = [f"word{number}" for number in range(300)]
    correct(alice, row, " ".join(words))
    correct(alice, row, " ".join([*words[:150], "here", *words[151:]]))
    shown = differences(read(as_alice, row))[0]
    assert "word149 [-word150-] {+here+} word151" in shown
    assert len(shown.split()) < 40


def test_an_editor_goes_back_to_any_correction(as_alice: Client, alice: Character, row: Transcription) -> None:
    for text in ("First.", "Second.", "Third."):
        correct(alice, row, text)
    page = read(as_alice, row)
    forms = re.findall(r'name="revision" value="(\d+)"><input type="hidden" name="etag" value="(\d+)"', page)
    assert forms == [("2", "3"), ("1", "3"), ("0", "3")], "not to what stands now"
    sent = {"from": "history", "revision": "1", "etag": "3"}
    answer = as_alice.post(f"/transcriptions/{row.id}/revert/", sent, follow=True)
    assert answer.redirect_chain == [(f"/transcriptions/{row.id}/history/", 302)]
    page = unescape(answer.content.decode())
    assert "as it was after correction 1 again" in page
    assert differences(page)[0] == "[-Third.-]{+First.+}"
    with scope.bound(row.tenant_id):
        assert Segment.objects.get(transcription=row, index=0).text == " First."


def test_who_has_seen_an_older_state_undoes_nothing(as_alice: Client, alice: Character, row: Transcription) -> None:
    for text in ("First.", "Second."):
        correct(alice, row, text)
    sent = {"from": "history", "revision": "0", "etag": "1"}
    answer = as_alice.post(f"/transcriptions/{row.id}/revert/", sent, follow=True)
    assert "Somebody else changed the transcript" in answer.content.decode()
    with scope.bound(row.tenant_id):
        assert Segment.objects.get(transcription=row, index=0).text == " Second."


def test_a_viewer_sees_it_and_is_offered_nothing(as_bob: Client, alice: Character, row: Transcription) -> None:
    correct(alice, row, "Good evening.")
    page = read(as_bob, row)
    assert differences(page)
    assert "/revert/" not in page
    assert f"/transcriptions/{row.id}/history/" in as_bob.get(f"/recordings/{row.recording_id}/").content.decode()


def test_pages_follow_each_other_at_the_same_cost(
    as_alice: Client, alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of, "ON_A_PAGE", 3)

    def cost(query: str = "") -> int:
        with CaptureQueriesContext(connection) as queries:
            read(as_alice, row, query)
        return len(queries)

    correct(alice, row, "Number 0.")
    few = cost()
    for number in range(1, 8):
        correct(alice, row, f"Number {number}.")
    assert [cost(), cost("?page=2"), cost("?page=3")] == [few] * 3
    shown = [differences(read(as_alice, row, f"?page={number}")) for number in (1, 2, 3)]
    assert [len(page) for page in shown] == [3, 3, 2]
    told = [one for page in shown for one in page]
    assert told[:-1] == [f"Number [-{number - 1}.-] {{+{number}.+}}" for number in range(7, 0, -1)]
    assert "machine’s text</strong>" in read(as_alice, row, "?page=3")
    assert "machine’s text</strong>" not in read(as_alice, row)


def test_what_is_not_kept_any_more_is_said(
    as_alice: Client, alice: Character, row: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "MAX_REVISIONS", 2)
    for number in range(4):
        correct(alice, row, f"Number {number}.")
    page = read(as_alice, row)
    assert differences(page) == ["Number [-2.-] {+3.+}", "Number [-1.-] {+2.+}"]
    assert "Earlier corrections are not kept any more" in page
    with scope.bound(row.tenant_id):
        assert Revision.objects.count() == 2


def test_a_page_of_very_large_corrections_stays_small(as_alice: Client, alice: Character, row: Transcription) -> None:
    for word in ("tick", "tock"):
        wanted = [SegmentEdit(n / 1000, (n + 1) / 1000, f"{word} {n} " * 20) for n in range(MAX_SEGMENTS // 40)]
        with scope.bound(row.tenant_id):
            editing.replace(alice.actor, row.id, wanted, {"*"})
    page = read(as_alice, row)
    assert "only its beginning is shown" in page
    assert len(page) < 100_000


def test_without_corrections_it_says_so(as_alice: Client, row: Transcription) -> None:
    assert "No corrections yet" in read(as_alice, row)


@pytest.mark.parametrize("change", [{"status": "running"}, {"text_deleted_at": timezone.now()}])
def test_there_is_none_of_what_has_no_text(change: dict[str, object], as_alice: Client, row: Transcription) -> None:
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(**change)
    assert as_alice.get(f"/transcriptions/{row.id}/history/").status_code == 404


def test_reading_it_is_told(as_bob: Client, alice: Character, row: Transcription) -> None:
    correct(alice, row, "Good evening.")
    read(as_bob, row)
    with scope.bound(row.tenant_id):
        entry = AuditEntry.objects.get(action="transcript.read")
    assert (entry.actor_name, entry.object_id, entry.details["by"]) == ("bob@acme.example", str(row.id), "history")
