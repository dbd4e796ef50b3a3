"""A member of several organisations works in one at a time."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants.models import Member, Role, User
from tests.conftest import Character
from tests.portal.web.conftest import Make


def test_a_member_of_two_switches_between_them(
    as_alice: Client, alice: Character, mallory: Character, make: Make
) -> None:
    Member.objects.create(tenant=mallory.tenant, user=alice.user, role=Role.VIEWER)
    make(alice.tenant, "acme.mp3")
    make(mallory.tenant, "evil.mp3")
    assert "acme.mp3" in as_alice.get("/recordings/").content.decode()
    as_alice.post("/tenant/", {"tenant": str(mallory.tenant.id)})
    text = as_alice.get("/recordings/").content.decode()
    assert "evil.mp3" in text
    assert "acme.mp3" not in text


def test_nobody_switches_to_where_he_is_not_a_member(as_alice: Client, mallory: Character, make: Make) -> None:
    make(mallory.tenant, "evil.mp3")
    assert as_alice.post("/tenant/", {"tenant": str(mallory.tenant.id)}).status_code == 404
    assert "evil.mp3" not in as_alice.get("/recordings/").content.decode()


def test_the_switch_is_shown_to_members_of_several_only(as_alice: Client) -> None:
    assert "Switch organisation" not in as_alice.get("/recordings/").content.decode()


@pytest.mark.django_db
def test_an_operator_without_an_organisation_is_led_to_the_admin(client: Client) -> None:
    client.force_login(User.objects.create_superuser("operator@example.com", "correct horse"))
    assert client.get("/").headers["Location"] == "/admin/"
