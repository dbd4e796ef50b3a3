"""What pages say of mails where no mail server is set up: nobody is told that one is on its way."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tenants import invitations
from tests.conftest import Character
from tests.portal.web.conftest import Make, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def without_a_mail_server(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"


def test_an_owner_is_told_to_send_the_link_of_an_invitation(client: Client, alice: Character) -> None:
    as_alice = signed_in(client, alice)
    as_alice.post("/people/", {"email": "carol@acme.example", "role": "viewer"})
    invitations.send_due()
    page = as_alice.get("/people/").content.decode()
    assert "No mail server is set up: copy the link and send it yourself." in page
    assert "Not mailed" in page
    assert ">Mailed<" not in page
    assert "Being mailed" not in page


def test_so_is_who_forgot_the_password_whoever_it_is(client: Client, alice: Character) -> None:
    pages = []
    for email in (alice.user.email, "nobody@acme.example"):
        pages.append(client.post("/accounts/password/reset/", {"email": email}, follow=True).content.decode())
    assert all("so no link can be sent" in page and "on its way" not in page for page in pages)
    assert "so no link can be sent" in client.get("/accounts/password/reset/").content.decode()


def test_and_who_shares_with_guests(client: Client, alice: Character, make: Make) -> None:
    part = (
        signed_in(client, alice)
        .post(
            f"/recordings/{make(alice.tenant).recording_id}/shares/",
            {"share-guests_by_mail": "jane@press.example", "share-level": "view"},
            headers={"X-Requested-With": "XMLHttpRequest"},
        )
        .content.decode()
    )
    assert "nobody gets these links" in part
    assert "not mailed: no mail server is set up" in part
    assert "on its way" not in part
    assert "are on their way" not in part
