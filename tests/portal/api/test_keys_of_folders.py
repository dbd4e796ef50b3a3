"""A key that is limited to folders sees, finds and adds to these alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client

from tenants import quota, scope
from tenants.access import Actor, key_actor
from tenants.api_keys.management import LONGEST_NAME, MAX_ADDRESSES, MAX_FOLDERS
from tenants.models import ApiKey, AuditEntry, KeyScope, LedgerEntry, UsageMonth
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription, signed_in
from transcription import search
from transcription.errors import InvalidOption, Refused
from transcription.fetches import access as fetches
from transcription.folders import folders
from transcription.folders.visibility import seen
from transcription.intake.request import CallContext
from transcription.library import moving, tags
from transcription.models import Folder, Recording, Transcription
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


def recording_in(folder: Folder) -> Recording:
    with scope.bound(folder.tenant_id):
        return Recording.objects.get(folder=folder)


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


def test_it_is_told_that_its_folders_are_what_it_lacks_not_its_scope(
    press: Folder, alice: Character, client: Client
) -> None:
    key = bearer(alice, KeyScope.WRITE, folders=[str(press.id)])
    for method, path, body in (
        ("PUT", f"/api/v1/recordings/{recording_in(press).id}/folder", {"folder": "none"}),
        ("POST", "/api/v1/terms", {"text": "Renard"}),
        ("POST", "/api/v1/keys", {"name": "x"}),
    ):
        refused = send(client, method, path, key, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), path
        assert "limited to some folders" in refused.json()["detail"]


def test_the_ledger_names_nothing_of_before_it_was_limited(press: Folder, alice: Character, client: Client) -> None:
    key = bearer(alice, KeyScope.READ, folders=[str(press.id)])
    with scope.bound(alice.tenant.id):
        month = UsageMonth.objects.create(tenant=alice.tenant, month=quota.this_month())
        caused: dict[str, Any] = {"tenant": alice.tenant, "month": month, "kind": "charge", "seconds": 10}
        caused["api_key"] = ApiKey.objects.get(folders=[str(press.id)])
        for row in Transcription.objects.select_related("recording"):
            LedgerEntry.objects.create(**caused, transcription_id=row.id, description=row.recording.name)
    told = client.get("/api/v1/ledger", headers=key).json()["results"]
    assert sorted((one["description"], bool(one["transcription"]), bool(one["key"])) for one in told) == [
        *[("", False, False)] * 2,
        (PRESS, True, True),
    ]


def test_it_changes_no_tag_which_rules_and_others_mean_too(press: Folder, alice: Character, client: Client) -> None:
    key = bearer(alice, KeyScope.WRITE, folders=[str(press.id)])
    with scope.bound(alice.tenant.id):
        (one, _is_new), (other, _is_new) = (tags.create(alice.actor, name) for name in ("Urgent", "Later"))
    address = f"/api/v1/tags/{one.id}"
    assert send(client, "PATCH", address, key, {"name": "Mine"}).status_code == 403
    assert send(client, "POST", f"{address}/merge", key, {"into": str(other.id)}).status_code == 403
    assert send(client, "DELETE", address, key).status_code == 403
    recording = f"/api/v1/recordings/{recording_in(press).id}/tags"
    assert send(client, "POST", recording, key, {"name": "Urgent"}).status_code == 200


def test_it_learns_nothing_of_a_text_that_was_used_again(press: Folder, alice: Character, client: Client) -> None:
    with scope.bound(alice.tenant.id):
        loose = Transcription.objects.get(recording__name=NONE)
        Transcription.objects.filter(recording__name=PRESS).update(reused_from=loose)
    address = f"/api/v1/recordings/{recording_in(press).id}"
    for headers, told in ((bearer(alice), str(loose.id)), (bearer(alice, "read", folders=[str(press.id)]), None)):
        assert client.get(address, headers=headers).json()["transcription"]["reused_from"] == told


def test_nobody_opens_a_key_by_taking_its_last_folder_away(press: Folder, alice: Character, client: Client) -> None:
    admin = bearer(alice)
    limited = send(client, "POST", "/api/v1/keys", admin, {"name": "Desk", "folders": ["Press", "Sales"]}).json()
    address, page = f"/api/v1/keys/{limited['id']}", f"/keys/{limited['id']}/"
    signed_in(client, alice)
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(name=PRESS).update(folder=None)
        folders.delete(alice.actor, press.id)
    assert f"a folder that is gone ({press.id})" in client.get(page).content.decode()
    client.post(page, {"name": "Desk", "folders": str(press.id)})
    assert client.get(address, headers=admin).json()["folders"] == [str(press.id)]
    assert "Name a folder." in client.post(page, {"name": "Desk", "folders": ""}).content.decode()
    for method, path in (("PATCH", address), ("POST", "/api/v1/keys")):
        assert send(client, method, path, admin, {"name": "Desk", "folders": []}).json()["param"] == "folders"
    assert send(client, "PATCH", address, admin, {"folders": [str(press.id)]}).json()["folders"] == [str(press.id)]
    assert send(client, "PATCH", address, admin, {"folders": None}).json()["folders"] is None
    send(client, "PATCH", address, admin, {"folders": ["Sales"]})
    client.post(page, {"name": "Desk", "folders": "", "sees_all": "on"})
    assert client.get(address, headers=admin).json()["folders"] is None


def test_a_key_may_have_the_most_of_everything(press: Folder, alice: Character, client: Client) -> None:
    with scope.bound(alice.tenant.id):
        every = Folder.objects.bulk_create(
            Folder(tenant=alice.tenant, name=f"{n}", folded=f"{n}") for n in range(MAX_FOLDERS)
        )
    body = {
        "name": "\N{FOX FACE}" * LONGEST_NAME,
        "folders": [str(one.id) for one in every],
        "addresses": [f"2001:db8:1111:1111:1111:1111:1111:{n:x}" for n in range(0x1100, 0x1100 + MAX_ADDRESSES)],
        "expires_at": "2100-01-01T00:00:00Z",
    }
    assert send(client, "POST", "/api/v1/keys", bearer(alice), body).status_code == 201
    with scope.bound(alice.tenant.id):
        told = AuditEntry.objects.filter(action="key.created").latest("id").details
    assert told["folders_count"] == MAX_FOLDERS
    assert told["folders"]


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
