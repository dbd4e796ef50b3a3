"""Rules on their pages: made, tried, ordered, and named on the recordings that they matched."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.exchange.models import Delivery, Place
from transcription.models import Recording, Tag
from transcription.rules.models import Rule

FORM = {"name": "Board", "is_active": "on", "file": "board*", "task": "transcribe", "mode": "auto", "language": ""}


@pytest.fixture(autouse=True)
def within(alice: Character) -> object:
    with scope.bound(alice.tenant.id):
        yield


def test_a_rule_is_tried_made_and_changed(as_alice: Client, alice: Character, make: Make) -> None:
    make(alice.tenant, "Board meeting.mp3")
    tried = as_alice.post("/rules/preview/", FORM | {"tags": "Board, Minutes"}).content.decode()
    assert "It would have matched 1 recording of the last 100" in tried
    assert 'value="Board, Minutes"' in tried, "what was typed is kept"
    assert not Rule.objects.exists()
    assert not Tag.objects.exists()

    given = {"tags": "Board, Minutes", "language": "de", "speakers": "auto", "least_minutes": "1.5", "audio_days": "7"}
    assert as_alice.post("/rules/", FORM | given).status_code == 302
    row = Rule.objects.get()
    assert row.conditions == {"file": "board*", "least_seconds": 90}
    assert row.effects["options"] == {"language": "de", "speakers": "auto"}
    page = as_alice.get("/rules/").content.decode()
    for words in (
        "named board*",
        "at least 1.5 min long",
        "German",
        "Find out how many there are",
        "tags: Board, Minutes",
    ):
        assert words in page

    form = as_alice.get(f"/rules/{row.id}/").content.decode()
    assert '<option value="de" selected>' in form
    assert as_alice.post(f"/rules/{row.id}/", FORM | {"text_days": "3"}).status_code == 302
    row.refresh_from_db()
    assert (row.conditions, row.effects) == ({"file": "board*"}, {"text_days": 3})


def test_a_rule_that_gives_nothing_is_refused_with_the_reason(as_alice: Client) -> None:
    form = as_alice.get("/rules/new/").content.decode()
    assert re.search(r'<select name="model"[^>]*>\s*<option value=""', form), "it names no model unless somebody does"
    page = as_alice.post("/rules/", FORM).content.decode()
    assert "A rule gives something" in page
    assert not Rule.objects.exists()


def test_rules_change_places(as_alice: Client, alice: Character) -> None:
    first, second = (
        Rule.objects.create(tenant=alice.tenant, name=name, position=1, effects={"text_days": 3}) for name in "AB"
    )
    as_alice.post(f"/rules/{second.id}/move/", {"to": "up"})
    as_alice.post(f"/rules/{first.id}/switch/", {})
    assert [(one.name, one.is_active) for one in Rule.objects.all()] == [("B", True), ("A", False)]


def test_a_recording_says_which_rules_held(as_alice: Client, as_bob: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    rule = Rule.objects.create(tenant=alice.tenant, name="Board", position=1, effects={"text_days": 3})
    ruled = {"rules": [{"id": str(rule.id), "name": "Board <b>"}]}
    Recording.objects.filter(id=row.recording_id).update(ruled=ruled, keeps_text_days=3)
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert f'<a href="/rules/{rule.id}/"><bdi>Board &lt;b&gt;</bdi></a>' in page
    assert "(a rule: 3 days)" in page
    seen = as_bob.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "Board &lt;b&gt;" in seen
    assert "/rules/" not in seen


def test_a_bucket_is_made_chosen_in_a_rule_and_says_how_it_goes(as_alice: Client, alice: Character, make: Make) -> None:
    assert "A folder of this server" not in as_alice.get("/rules/places/").content.decode(), "the operator gives none"
    there = {"name": "Archive", "kind": "bucket", "endpoint": "https://8.8.8.8", "bucket": "acme", "key_id": "a"}
    assert "Enter the secret" in as_alice.post("/rules/places/", there).content.decode()
    assert as_alice.post("/rules/places/", there | {"secret": "hush-hush"}).status_code == 302
    place = Place.objects.get()
    assert as_alice.post("/rules/", FORM | {"place": str(place.id), "formats": ["srt", "txt"]}).status_code == 302
    rule = Rule.objects.get()
    assert rule.effects == {"deliveries": [{"place": str(place.id), "formats": ["txt", "srt"]}]}
    assert "writes txt, srt to Archive" in as_alice.get("/rules/").content.decode()
    assert f'<option value="{place.id}" selected>' in as_alice.get(f"/rules/{rule.id}/").content.decode()

    gone = {"place": str(uuid4()), "formats": ["vtt"]}
    Rule.objects.update(effects={"deliveries": [*rule.effects["deliveries"], gone]})
    same = FORM | {"place": str(place.id), "formats": ["srt"]}
    assert as_alice.post(f"/rules/{rule.id}/", same).status_code == 302, "the other place was deleted"
    assert [one["formats"] for one in Rule.objects.get().effects["deliveries"]] == [["srt"]]

    recording = make(alice.tenant).recording
    failed = {"state": "failed", "last_error": "The bucket answered “AccessDenied”: No."}
    Delivery.objects.create(tenant=alice.tenant, place=place, recording=recording, formats=["txt"], **failed)
    page = as_alice.get(f"/rules/places/{place.id}/").content.decode()
    assert "The bucket answered “AccessDenied”: No." in page
    assert "hush-hush" not in page
    again = f"/rules/places/{place.id}/deliveries/{Delivery.objects.get().id}/again/"
    assert as_alice.post(again).status_code == 302
    assert Delivery.objects.get().state == "pending"
    as_alice.post(f"/rules/places/{place.id}/", there | {"is_paused": "on"})
    assert "Paused" in as_alice.get("/rules/places/").content.decode()
    as_alice.post(f"/rules/places/{place.id}/delete/")
    assert not Delivery.objects.exists()
    assert "(deleted)" in as_alice.get("/rules/").content.decode()


def test_a_place_s_fields_are_called_as_its_kind_calls_them(as_alice: Client) -> None:
    page = as_alice.get("/rules/places/").content.decode()
    assert '<span data-kind="bucket">Secret access key</span> <span data-kind="mailbox">Password</span>' in page
    assert "Bucket: " not in page
