"""Webhooks on their pages: the secret once, the log with its reasons, and a way out of every trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from ipaddress import ip_network
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.test import Client
from standardwebhooks import Webhook

from tenants import scope
from tests.conftest import Character
from tests.portal.web.test_markup import Page
from tests.receiver import Receiver, listening
from transcription.webhooks import dispatcher
from transcription.webhooks.models import SUBSCRIBABLE, Endpoint


@pytest.fixture
def receiver(settings: LazySettings) -> Iterator[Receiver]:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["webhooks"]
    with listening() as found:
        yield found


def create(client: Client, url: str, **fields: object) -> tuple[UUID, str, str]:
    """The webhook's id, its secret, and the page that shows it."""
    form = {"url": url, "description": "", "events": SUBSCRIBABLE} | fields
    text = unescape(client.post("/webhooks/", form).content.decode())
    secret = re.search(r'id="secret">(whsec_[^<]+)<', text)
    place = re.search(r'action="/webhooks/([0-9a-f-]{36})/"', text)
    assert secret, text
    assert place
    return UUID(place[1]), secret[1], text


def page(client: Client, endpoint_id: UUID) -> str:
    text = client.get(f"/webhooks/{endpoint_id}/").content.decode()
    assert Page(text).faults == []
    assert len(Page(text).ids) == len(set(Page(text).ids))
    return unescape(text)


def test_the_secret_is_shown_once_and_signs(as_alice: Client, receiver: Receiver) -> None:
    made, secret, _page = create(as_alice, receiver.url)
    assert secret not in page(as_alice, made)
    as_alice.post(f"/webhooks/{made}/test/")
    dispatcher.send_due()
    assert Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)["type"] == "webhook.test"
    assert "Delivered" in page(as_alice, made)


def test_the_page_with_a_secret_is_not_kept_by_anybody(as_alice: Client, receiver: Receiver) -> None:
    answer = as_alice.post("/webhooks/", {"url": receiver.url, "events": SUBSCRIBABLE})
    assert "no-store" in answer.headers["Cache-Control"]
    made, secret, _page = create(as_alice, receiver.url)
    answer = as_alice.post(f"/webhooks/{made}/rotate/")
    assert "no-store" in answer.headers["Cache-Control"]
    rotated = re.search(r'id="secret">(whsec_[^<]+)<', unescape(answer.content.decode()))
    assert rotated
    assert rotated[1] != secret


def test_a_hostile_url_is_refused_on_the_page(as_alice: Client, alice: Character) -> None:
    text = unescape(as_alice.post("/webhooks/", {"url": "https://10.0.0.1/", "events": SUBSCRIBABLE}).content.decode())
    assert "This address is not on the public internet." in text
    assert 'value="https://10.0.0.1/"' in text, "what was typed is still there"
    with scope.bound(alice.tenant.id):
        assert not Endpoint.objects.exists()


def test_all_ticked_means_later_events_too(as_alice: Client, alice: Character, receiver: Receiver) -> None:
    made, _secret, _page = create(as_alice, receiver.url)
    with scope.bound(alice.tenant.id):
        assert Endpoint.objects.get().events == []
        as_alice.post(f"/webhooks/{made}/", {"url": receiver.url, "events": ["quota.alert"], "description": "Alerts"})
        assert Endpoint.objects.get().events == ["quota.alert"]
    assert "<h1>Alerts</h1>" in page(as_alice, made)


def test_a_failure_is_explained_and_sent_again(as_alice: Client, receiver: Receiver) -> None:
    receiver.status, receiver.body = 500, b"<script>alert(1)</script>"
    made, _secret, _page = create(as_alice, receiver.url)
    as_alice.post(f"/webhooks/{made}/test/")
    dispatcher.send_due()
    text = page(as_alice, made)
    assert "The receiver answered 500." in text
    assert "Tried again:" in text
    assert "<script>alert(1)</script>" not in as_alice.get(f"/webhooks/{made}/").content.decode()
    again = re.search(r'action="(/webhooks/[^"]+/replay/)"', text)
    assert again
    receiver.status = 200
    as_alice.post(again[1])
    dispatcher.send_due()
    assert "Delivered" in page(as_alice, made)
    assert "2 attempts" in page(as_alice, made)


def test_a_webhook_that_was_paused_says_why_and_can_be_resumed(as_alice: Client, receiver: Receiver) -> None:
    receiver.status = 410
    made, _secret, _page = create(as_alice, receiver.url)
    as_alice.post(f"/webhooks/{made}/test/")
    dispatcher.send_due()
    assert "410 Gone" in page(as_alice, made)
    assert "This webhook is paused." in as_alice.post(f"/webhooks/{made}/test/", follow=True).content.decode()
    receiver.status = 200
    as_alice.post(f"/webhooks/{made}/resume/")
    assert "410 Gone" not in page(as_alice, made)
    dispatcher.send_due()
    assert "Delivered" in page(as_alice, made)


def test_deleting_asks_first_and_leaves_nothing(as_alice: Client, receiver: Receiver) -> None:
    made, _secret, _page = create(as_alice, receiver.url)
    assert 'data-confirm-title="Delete this webhook?"' in page(as_alice, made)
    as_alice.post(f"/webhooks/{made}/delete/")
    assert as_alice.get(f"/webhooks/{made}/").status_code == 404
    assert receiver.url not in as_alice.get("/webhooks/").content.decode()
