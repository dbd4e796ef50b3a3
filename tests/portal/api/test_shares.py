"""Programs share recordings, and see and end the links."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from tenants import api_keys, scope
from tenants.models import ApiKey, AuditEntry, KeyScope, Member, Role, Tenant
from tests.conftest import Character, create_member
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription
from transcription.models import Transcription
from transcription.shares import links
from transcription.shares.models import Share

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(alice: Character) -> Transcription:
    return make_transcription(alice.tenant)


@pytest.fixture
def address(row: Transcription) -> str:
    return f"/api/v1/recordings/{row.recording_id}/shares"


def test_a_link_is_in_the_answer_that_makes_it_and_nowhere_else(client: Client, alice: Character, address: str) -> None:
    key = bearer(alice, KeyScope.WRITE)
    made = send(client, "POST", address, key, {"label": "For Guest", "password": "winter morning"})
    body = made.json()
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    path = urlsplit(body["url"]).path
    secret = path.split("/")[2]
    assert client.get(path).status_code == 200
    assert (body["label"], body["state"], body["password"], body["sound"]) == ("For Guest", "live", True, True)
    month = timezone.now() + timedelta(days=30)
    assert body["expires_at"][:10] in (month.date().isoformat(), (month - timedelta(minutes=1)).date().isoformat())
    for other in (address, made["Location"]):
        seen = send(client, "GET", other, key).content.decode()
        assert body["id"] in seen
        assert secret not in seen
        assert "winter morning" not in seen
    with scope.bound(alice.tenant.id):
        kept = str(Share.objects.values().get()) + str(list(AuditEntry.objects.values()))
    assert secret not in kept
    assert "winter morning" not in kept


def test_who_opened_it_is_told_and_it_ends_with_a_delete(client: Client, alice: Character, address: str) -> None:
    key = bearer(alice, KeyScope.WRITE)
    made = send(client, "POST", address, key, {"most_openings": 5})
    path = urlsplit(made.json()["url"]).path
    client.post(path)
    detail = send(client, "GET", made["Location"], key).json()
    assert (detail["openings"], [one["openings"] for one in detail["visitors"]]) == (1, [1])
    assert [send(client, "DELETE", made["Location"], key).status_code for _ in range(2)] == [204, 204]
    assert client.get(path).status_code == 404
    assert send(client, "GET", made["Location"], key).json()["state"] == "revoked"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
        ({"most_openings": 0}, "most_openings"),
        ({"password": "short"}, "password"),
        ({"level": "own"}, "level"),
        ({"start": 50.0, "end": 20.0}, "end"),
        ({"start": 1000.0}, "end"),
        ({"label": "x" * 101}, "label"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(
    client: Client, alice: Character, address: str, body: dict[str, object], param: str
) -> None:
    answer = send(client, "POST", address, bearer(alice), body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


def test_a_null_expiry_lasts_and_an_excerpt_ends_with_the_recording(
    client: Client, alice: Character, address: str
) -> None:
    body = send(client, "POST", address, bearer(alice), {"expires_at": None, "start": 90, "end": 500.0}).json()
    assert (body["expires_at"], body["start"], body["end"]) == (None, 90.0, 100.4)


def test_an_organisation_that_shares_nothing_makes_no_links(client: Client, alice: Character, address: str) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(allows_sharing=False)
    answer = send(client, "POST", address, bearer(alice), {})
    assert (answer.status_code, answer.json()["code"]) == (403, "sharing_off")
    assert "settings" in answer.json()["detail"]


def test_managers_list_all_find_those_of_one_and_end_them(client: Client, alice: Character, address: str) -> None:
    adam = create_member(alice.tenant, "adam@acme.example", Role.EDITOR)
    by_adam = send(client, "POST", address, adam.bearer, {"label": "Adam's"}).json()
    by_alice = send(client, "POST", address, alice.bearer, {"label": "Alice's"}).json()
    key = bearer(alice)
    listed = send(client, "GET", "/api/v1/shares", key).json()["results"]
    assert [one["label"] for one in listed] == ["Alice's", "Adam's"]
    listed = send(client, "GET", "/api/v1/shares?made_by=adam@acme.example&state=open", key).json()["results"]
    assert [one["id"] for one in listed] == [by_adam["id"]]
    answer = send(client, "POST", "/api/v1/shares/revoke", key, {"made_by": "adam@acme.example"})
    assert answer.json() == {"revoked": 1}
    states = {one["id"]: one["state"] for one in send(client, "GET", "/api/v1/shares", key).json()["results"]}
    assert states == {by_adam["id"]: "revoked", by_alice["id"]: "live"}


def test_what_a_leaver_shared_waits_for_somebody_to_keep_it(client: Client, alice: Character, address: str) -> None:
    adam = create_member(alice.tenant, "adam@acme.example", Role.EDITOR)
    made = send(client, "POST", address, adam.bearer, {}).json()
    Member.objects.filter(id=adam.member.id).delete()
    assert client.get(urlsplit(made["url"]).path).status_code == 404
    kept = send(client, "POST", f"/api/v1/shares/{made['id']}/keep", bearer(alice)).json()
    assert kept["state"] == "live"
    assert client.get(urlsplit(made["url"]).path).status_code == 200


def test_what_the_organisation_s_own_key_shares_hangs_on_nobody(client: Client, alice: Character, address: str) -> None:
    adam = create_member(alice.tenant, "adam@acme.example", Role.ADMIN)
    Member.objects.filter(id=adam.member.id).delete()
    with scope.bound(alice.tenant.id):
        api_keys.keep(alice.actor, ApiKey.objects.get(created_by=adam.user).id)
    made = send(client, "POST", address, adam.bearer, {}).json()
    assert made["created_by"] is None
    assert client.get(urlsplit(made["url"]).path).status_code == 200


def test_those_of_a_recording_come_in_pages(client: Client, alice: Character, address: str) -> None:
    key = bearer(alice, KeyScope.WRITE)
    ids = [send(client, "POST", address, key, {}).json()["id"] for _ in range(3)]
    send(client, "DELETE", f"{address}/{ids[2]}", key)
    page = send(client, "GET", f"{address}?limit=2", key).json()
    rest = send(client, "GET", page["next"], key).json()
    assert [one["id"] for one in (*page["results"], *rest["results"])] == ids[::-1]
    working = send(client, "GET", f"{address}?state=open", key).json()["results"]
    assert [one["id"] for one in working] == [ids[1], ids[0]]


def test_few_links_of_a_recording_have_a_sound_of_their_own(
    client: Client, alice: Character, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST_WITH_OWN_SOUND", 2)
    key, excerpt = bearer(alice), {"start": 1.0, "end": 3.0}
    answers = [send(client, "POST", address, key, excerpt) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[2].json()["code"] == "too_many_shares"
    assert send(client, "POST", address, key, excerpt | {"sound": False}).status_code == 201
