"""Whose recordings the library shows, and in which order."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django import forms
from django.db.models.query_utils import DeferredAttribute
from django.forms.renderers import DjangoTemplates
from django.test import Client
from django.utils import timezone

from portal.form_renderer import FormRenderer
from tenants import api_keys, scope
from tenants.models import ApiKey, AuditEntry, Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription import search, tenant_lock
from transcription.library import recordings
from transcription.models import Recording, SavedView, Status, TenantSchedule, Transcription

PAGE = "/recordings/"
NAMES = ("Meeting.mp3", "clip 7.mp3")


@pytest.fixture
def key(alice: Character, bob: Character, make: Make) -> ApiKey:
    """A meeting that Bob uploaded, and a program's clip."""
    meeting, clip = (make(alice.tenant, name) for name in NAMES)
    row, _secret = api_keys.issue(alice.tenant, "<b>Robot</b>")
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=clip.recording_id).update(source="api", api_key=row)
        Recording.objects.filter(id=meeting.recording_id).update(created_by=bob.user)
        for one in (meeting, clip):
            search.index_recording(one.recording_id)
    return row


def shown(client: Client, query: str = "", page: str = PAGE) -> set[str]:
    text = client.get(f"{page}?{query}").content.decode()
    return {name for name in NAMES if name in text}


def test_programs_clips_stay_out_of_the_way(as_alice: Client, key: ApiKey) -> None:
    assert shown(as_alice) == shown(as_alice, page=f"{PAGE}rows/") == {"Meeting.mp3"}
    assert shown(as_alice, "by=programs") == {"clip 7.mp3"}
    assert shown(as_alice, "by=all") == set(NAMES)
    assert shown(as_alice, f"by=programs&key={key.id}") == {"clip 7.mp3"}
    assert shown(as_alice, f"by=programs&key={key.tenant_id}") == set()
    assert shown(as_alice, "owner=bob@acme.example") == {"Meeting.mp3"}
    assert shown(as_alice, "owner=alice@acme.example") == shown(as_alice, "source=microphone") == set()


def test_the_browser_remembers_what_somebody_chose_and_not_what_a_link_says(as_alice: Client, key: ApiKey) -> None:
    as_alice.get(f"{PAGE}?by=programs")
    assert shown(as_alice) == {"Meeting.mp3"}
    as_alice.get(f"{PAGE}rows/?by=programs&key={key.id}&remember=1")
    assert shown(as_alice) == {"clip 7.mp3"}
    assert f'<option value="{key.id}" selected>' in as_alice.get(PAGE).content.decode()
    as_alice.get(f"{PAGE}?by=all&remember=1")
    assert shown(as_alice) == set(NAMES)
    assert shown(as_alice, "by=people") == {"Meeting.mp3"}


def test_a_link_has_nothing_remembered_but_a_key_of_the_organisation(as_alice: Client, key: ApiKey) -> None:
    as_alice.get(f"{PAGE}?by=programs&key=%E6%97%A5%E6%9C%AC&remember=1")
    assert as_alice.cookies["library"].value == "programs"


@pytest.mark.parametrize("cookie", ["programs.{mallory}", "programs.\x00", "nonsense", "people.x.y", ""])
def test_what_is_remembered_of_elsewhere_or_made_up_does_no_harm(
    cookie: str, as_alice: Client, key: ApiKey, mallory: Character
) -> None:
    with scope.bound(mallory.tenant.id):
        others = ApiKey.objects.get().id
    as_alice.cookies["library"] = cookie.format(mallory=others)
    assert shown(as_alice) == ({"clip 7.mp3"} if cookie.startswith("programs") else {"Meeting.mp3"})


def test_names_of_keys_are_text_and_a_revoked_one_is_still_there(
    as_alice: Client, alice: Character, key: ApiKey
) -> None:
    with scope.bound(key.tenant_id):
        api_keys.revoke(alice.actor, key.id)
    page = as_alice.get(PAGE).content.decode()
    assert "<b>Robot</b>" not in page
    assert "<b>Robot</b> (revoked)" in unescape(page)


def test_where_nothing_is_shown_others_matches_are_told(as_alice: Client, key: ApiKey) -> None:
    page = unescape(as_alice.get(f"{PAGE}?search=clip").content.decode())
    assert "1 recording of others matches." in page
    assert "?search=clip&by=all" in page
    assert "Nothing matches" in unescape(as_alice.get(f"{PAGE}?search=nowhere").content.decode())


def test_without_programs_there_is_nothing_to_choose(as_bob: Client, make: Make, alice: Character) -> None:
    make(alice.tenant)
    with scope.bound(alice.tenant.id):
        ApiKey.objects.all().delete()
    assert "data-by" not in as_bob.get(PAGE).content.decode()
    with scope.bound(alice.tenant.id):
        Recording.objects.update(source="api")
    assert "data-by" in as_bob.get(PAGE).content.decode(), "its key was deleted"


def test_the_list_is_put_in_order_and_keeps_it(as_alice: Client, alice: Character, make: Make) -> None:
    for number in range(26):
        make(alice.tenant, f"take {number:02}.mp3")
    page = as_alice.get(f"{PAGE}?order=name").content.decode()
    assert page.index("take 00.mp3") < page.index("take 24.mp3")
    assert "take 25.mp3" not in page
    assert "order=name&amp;page=2" in page
    assert "Newer" not in page


def test_more_than_are_counted_are_told_so_and_can_be_leafed_through(
    alice: Character, as_alice: Client, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MOST_COUNTED", 2)
    monkeypatch.setattr("portal.web.recordings.ON_A_PAGE", 2)
    for number in range(5):
        make(alice.tenant, f"{number}.mp3")
    first, last, beyond = (as_alice.get(f"/recordings/?by=all&page={n}").content.decode() for n in (1, 3, 70))
    assert all(part in first for part in ("2+", "data-and-more", 'rel="next"'))
    assert all(part in last for part in ("0.mp3", 'rel="prev"'))
    assert 'rel="next"' not in last
    assert "4.mp3" in beyond, "as far as is counted"
    assert "0.mp3" not in beyond
    monkeypatch.setattr(recordings, "MOST_COUNTED", 5)
    exact = as_alice.get("/recordings/?by=all&page=9").content.decode()
    assert all(part in exact for part in ("Page 3 of 3", "0.mp3"))
    assert "data-and-more" not in exact


def test_menus_are_what_django_makes_of_them() -> None:
    choices = [("", "None <b>"), ("Group", [("a&b", "A"), ("c", "C")]), (3, "Three")]
    for chosen in ("", "c", "3"):
        select = forms.Select(attrs={"id": "x", "required": True, "disabled": False}, choices=choices)
        ours, djangos = (select.render("n", chosen, renderer=one) for one in (FormRenderer(), DjangoTemplates()))
        assert ours.split() == djangos.replace("</select>", " </select>").replace("<optgroup", " <optgroup").split()


def test_a_view_is_saved_found_renamed_and_deleted_and_shared_by_admins_only(
    as_alice: Client, as_bob: Client, key: ApiKey, alice: Character
) -> None:
    query = "?by=all&search=clip&order=name&page=7&nonsense=1"
    saved = as_bob.post("/views/", {"name": " Clips <b> ", "query": query, "shared": ""})
    assert saved["Location"] == "/recordings/?by=all&search=clip&order=name"
    assert as_bob.post("/views/", {"name": "Everybody's", "query": query, "shared": "1"}).status_code == 403
    assert "Clips &lt;b&gt;" in as_bob.get(PAGE).content.decode()
    assert "Clips &lt;b&gt;" not in as_alice.get(PAGE).content.decode()
    with scope.bound(alice.tenant.id):
        own = SavedView.objects.get()
    assert as_alice.post(f"/views/{own.id}/delete/").status_code == 404
    as_alice.post("/views/", {"name": "Held", "query": "held=1", "shared": "1"})
    assert "/recordings/?held=1" in as_bob.get("/views/").content.decode()
    with scope.bound(alice.tenant.id):
        held = SavedView.objects.get(member=None)
        as_alice.post(f"/views/{held.id}/", {"name": "On hold"})
        assert AuditEntry.objects.get(action="view.renamed").details == {"name": "On hold", "before": "Held"}
    as_bob.post(f"/views/{own.id}/", {"name": "Mine"})
    assert "Mine" in as_bob.get("/views/").content.decode()
    assert "Mine" in as_bob.post(f"/views/{own.id}/delete/", follow=True).content.decode()  # it is told
    assert "Mine" not in as_bob.get("/views/").content.decode()


def test_who_adds_something_while_the_organisation_is_deleted_is_told(
    as_alice: Client, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tenant_lock.lock

    def lock_after_deletion_began(tenant_id: UUID) -> TenantSchedule:
        Tenant.objects.filter(id=tenant_id).update(is_active=False, deleting_at=timezone.now())
        return lock(tenant_id)

    monkeypatch.setattr(tenant_lock, "lock", lock_after_deletion_began)
    answer = as_alice.post("/views/", {"name": "Clips", "query": ""})
    assert answer.status_code == 403
    assert "This organisation is being deleted" in answer.content.decode()
    told = as_alice.post("/views/", {"name": "Clips"}, headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["error"]["code"]) == (403, "tenant_deleted")


def test_what_is_on_legal_hold_is_filtered(as_alice: Client, key: ApiKey, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(name=NAMES[0]).update(held_at=timezone.now())
    assert shown(as_alice, "by=all&held=1") == {NAMES[0]}


def test_a_search_shows_where_it_is_said(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, "Meeting.mp3")
    long = "As I said to everybody who came here last week already, there are <b>two</b> risks, and risks are fine."
    with scope.bound(alice.tenant.id):
        row.segments.filter(index=1).update(text=long)
        search.index_recording(row.recording_id)
    page = as_alice.get(f"{PAGE}?search=risk").content.decode()
    (passage,) = re.findall(rf'<a class="truncate" href="{PAGE}{row.recording_id}/#t=4.00">(.*?)</a>', page)
    assert passage.startswith('<span class="clock">0:04</span> …week already, there are &lt;b&gt;two&lt;/b&gt; ')
    assert passage.count("<mark>risks</mark>") == 2
    assert "row__passages" not in as_alice.get(f"{PAGE}?search=meeting").content.decode()
    assert "row__passages" not in as_alice.get(PAGE).content.decode()
    as_alice.get(f"{PAGE}rows/?search=risks")
    with scope.bound(alice.tenant.id):
        told = AuditEntry.objects.filter(action="transcript.searched")
        assert [entry.details["transcriptions"] for entry in told] == [[str(row.id)]]


def test_a_search_shows_nothing_that_is_struck_or_of_an_older_text(
    as_alice: Client, alice: Character, make: Make
) -> None:
    row = make(alice.tenant, "Meeting.mp3")
    with scope.bound(alice.tenant.id):
        search.index_recording(row.recording_id)
        Recording.objects.filter(id=row.recording_id).update(struck=[[4.0, 7.5]])
    assert "risks" not in as_alice.get(f"{PAGE}rows/?search=two").content.decode()
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=row.recording_id).update(struck=[])
        Transcription.objects.create(tenant=alice.tenant, recording=row.recording, model="base")
    page = as_alice.get(f"{PAGE}rows/?search=two").content.decode()
    assert ("Meeting.mp3" in page, "risks" in page) == (True, False)


@pytest.mark.parametrize("status", Status.values)
def test_a_row_shows_nothing_that_its_list_has_not_read(
    as_alice: Client, alice: Character, make: Make, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """A column that a list leaves out is read again for each row that shows it."""
    row = make(alice.tenant, "meeting.mp3", status)
    with scope.bound(alice.tenant.id):
        tracks = [{"codec": "aac"}, {"codec": "aac"}]
        Recording.objects.update(
            created_by=alice.user, audio_tracks=tracks, struck=[[0.0, 1.0]], held_at=timezone.now()
        )
        Transcription.objects.filter(id=row.id).update(warnings=["file_incomplete"], doubtful_words=3)
        search.index_recording(row.recording_id)
    loaded: list[str] = []
    read = DeferredAttribute.__get__

    def noted(self: DeferredAttribute, instance: Any, cls: Any = None) -> Any:
        if isinstance(instance, Recording | Transcription) and self.field.attname not in instance.__dict__:
            loaded.append(self.field.attname)
        return read(self, instance, cls)

    monkeypatch.setattr(DeferredAttribute, "__get__", noted)
    for path in ("/recordings/?by=all", "/recordings/rows/?by=all&search=meeting"):
        assert "meeting.mp3" in as_alice.get(path).content.decode()
    assert loaded == []
