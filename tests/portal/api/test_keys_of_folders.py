"""A key that is limited to folders sees, finds and adds to these alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client

from tenants import scope
from tenants.access import Actor, key_actor
from tenants.models import ApiKey, AuditEntry, KeyScope
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription, signed_in
from transcription import search
from transcription.errors import InvalidOption, Refused
from transcription.fetches import access as fetches
from transcription.folders import folders
from transcription.folders.visibility import seen
from transcription.intake.request import CallContext
from transcription.library import moving
from transcription.models import Folder, Recording
from transcription.options.options import TranscriptionOptions
from transcription.rules import applying
from transcription.rules.models import Rule
from transcription.transcripts import terms
from transcription.uploads import access as uploads
from transcription.uploads import creation
from transcription.uploads.creation import Plan

pytestmark = pytest.mark.django_db
PRESS, SALES, NONE = "Press.mp3", "Sales.mp3", "Loose.mp3"


@pytest.fixture
def press(alice: Character) -> Folder:
    """One folder of two, each with a recording, beside one that is in none."""
    with scope.bound(alice.tenant.id):
        own, other = (folders.create(alice.actor, name) for name in ("Press", "Sales"))
        for name, folder in ((PRESS, own), (SALES, other), (NONE, None)):
            row = make_transcription(alice.tenant, name, text="Fox")
            Recording.objects.filter(id=row.recording_id).update(folder=folder)
            search.index_recording(row.recording_id)
    return own


def actor_of(who: Character, *limits: Folder, key_scope: str = KeyScope.WRITE) -> Actor:
    with scope.bound(who.tenant.id):
        key = ApiKey.objects.get(name=f"Key of {who.user.email}")
        ApiKey.objects.filter(id=key.id).update(folders=[str(one.id) for one in limits], scope=key_scope)
        return key_actor(ApiKey.objects.select_related("tenant__quota").get(id=key.id), "")


def folder_of(actor: Actor, folder: str = "") -> str:
    """Where an upload and a fetch go that name a folder, or none."""
    row = creation.open_on_disk(actor, Plan(name="a.wav", length=1000, folder=folder))
    call = CallContext(endpoint="", key="")
    options = TranscriptionOptions.checked()
    fetch = fetches.create(actor, f"https://acme.example/{row.id}.mp3", "", options, call, folder).fetch
    assert row.folder is not None
    assert row.folder == fetch.folder
    assert row in uploads.uploads(actor)
    assert fetch in fetches.fetches(actor)
    return row.folder.name


def test_it_lists_and_finds_what_is_in_its_folders(press: Folder, alice: Character, client: Client) -> None:
    key = bearer(alice, KeyScope.WRITE, folders=[str(press.id)])
    for address in ("/api/v1/recordings", "/api/v1/search?q=good", "/api/v1/folders"):
        told = client.get(address, headers=key).content.decode()
        assert "Press" in told, address
        assert "Sales" not in told
        assert "Loose" not in told
    with scope.bound(alice.tenant.id):
        hidden = Recording.objects.filter(~seen(actor_of(alice, press)))  # as sockets ask
        assert set(hidden.values_list("name", flat=True)) == {SALES, NONE}


def test_it_adds_to_its_folders_and_needs_no_name_for_the_only_one(press: Folder, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        actor = actor_of(alice, press)
        assert folder_of(actor) == folder_of(actor, "press") == "Press"
        with pytest.raises(InvalidOption, match="no folder “Sales”"):
            folder_of(actor, "Sales")
        of_both = actor_of(alice, press, Folder.objects.get(name="Sales"))
        assert folder_of(of_both, "Sales") == "Sales"
        with pytest.raises(InvalidOption, match="say in “folder”"):
            folder_of(of_both)
        with pytest.raises(Refused):
            folders.require_addable(actor, None)  # as for what was begun before it was limited
        rule = Rule(effects={"folder": str(Folder.objects.get(name="Sales").id)})
        ruling = applying.begin(actor, "tus", None, "a.wav")
        assert applying.Ruling(actor, ruling.arrival, [rule]).folder() is None


def test_a_folder_that_is_deleted_leaves_it_nothing(press: Folder, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        actor = actor_of(alice, press)
        Recording.objects.filter(name=PRESS).update(folder=None)
        folders.delete(alice.actor, press.id)
        assert not Recording.objects.filter(seen(actor)).exists()
        with pytest.raises(InvalidOption):
            folder_of(actor)


def test_it_moves_nothing_out_and_changes_nothing_of_the_whole_organisation(press: Folder, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        actor = actor_of(alice, press)
        recording = Recording.objects.get(name=PRESS)
        for folder in (None, Folder.objects.get(name="Sales")):
            with pytest.raises(PermissionDenied):
                moving.move(actor, recording.id, folder)
        with pytest.raises(Http404):
            moving.move(actor, Recording.objects.get(name=NONE).id, press)
        with pytest.raises(PermissionDenied):
            folders.create(actor, "Mine")
        with pytest.raises(PermissionDenied):
            terms.create(actor, "Renard")
        assert terms.create(actor, "Renard", folder=press).folder == press


def test_keys_are_limited_by_name_and_never_widened_by_a_limited_one(
    press: Folder, alice: Character, client: Client
) -> None:
    admin = bearer(alice)
    made = send(client, "POST", "/api/v1/keys", admin, {"name": "Press desk", "folders": ["press"]}).json()
    assert made["folders"] == [str(press.id)]
    key = f"/api/v1/keys/{made['id']}"
    assert send(client, "PATCH", key, admin, {"folders": ["Sales"]}).json()["folders"] != made["folders"]
    refusals: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/keys", {"name": "x", "folders": ["Nowhere"]}),
        ("POST", "/api/v1/keys", {"name": "x", "scope": "admin", "folders": ["press"]}),
    ]
    for method, path, body in refusals:
        refused = send(client, method, path, admin, body)
        assert (refused.status_code, refused.json()["param"]) == (400, "folders")
    actor_of(alice, press, key_scope=KeyScope.ADMIN)  # a row that nothing writes
    assert send(client, "POST", "/api/v1/keys", alice.bearer, {"name": "x"}).status_code == 403
    assert client.get("/api/v1/audit", headers=alice.bearer).status_code == 403


def test_an_owner_limits_a_key_on_its_page(press: Folder, alice: Character, client: Client) -> None:
    signed_in(client, alice)
    client.post("/keys/", {"name": "Press desk", "scope": "write", "folders": "Press\r\n"})
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get(name="Press desk")
        assert AuditEntry.objects.get(action="key.created").details["folders"] == key.folders == [str(press.id)]
    page = client.get(f"/keys/{key.id}/").content.decode()
    assert "<dd>Press</dd>" in page
    form = {"name": "Press desk", "folders": "Press\nPres"}
    assert "There is no folder “Pres”." in client.post(f"/keys/{key.id}/", form).content.decode()
    client.post(f"/keys/{key.id}/", form | {"folders": "Sales"})
    assert "limited to 1 folder<" in client.get("/keys/").content.decode()
    with scope.bound(alice.tenant.id):
        assert ApiKey.objects.get(id=key.id).folders == [str(Folder.objects.get(name="Sales").id)]
