"""Many open sockets are checked at once: each gets the answer that it would get alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from portal.http import authentication
from tenants.access import Actor
from tenants.models import Member, Tenant, User
from tests.conftest import Character, create_member

pytestmark = pytest.mark.django_db


def opened(character: Character) -> dict[str, Any]:
    """The scope of a socket that a page of theirs has opened."""
    client = Client()
    client.force_login(character.user)
    cookie = f"sessionid={client.session.session_key}".encode()
    scope: dict[str, Any] = {"type": "websocket", "path": "/ws/recordings/", "headers": [(b"cookie", cookie)]}
    scope |= {"query_string": f"tenant={character.tenant.id}".encode(), "client": ("127.0.0.1", 1)}
    assert authentication.caller_of(scope).actor is not None
    return scope


def test_many_sockets_are_checked_by_as_many_queries_as_one(
    acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    people = [create_member(acme, f"{number}@acme.example", "editor") for number in range(5)]
    scopes = [opened(one) for one in people]
    with django_assert_max_num_queries(6):
        found = authentication.renewed_all(scopes)
    assert [actor.member and actor.member.user for actor in found if isinstance(actor, Actor)] == [
        one.user for one in people
    ]


@pytest.mark.parametrize("what", ["left", "switched off", "signed out", "password", "tenant", "address", "factor"])
def test_of_many_sockets_that_are_checked_at_once_those_end_that_may_not_stay(
    what: str, alice: Character, bob: Character, mallory: Character
) -> None:
    scopes = [opened(bob), opened(mallory), {"type": "websocket", "path": "/ws/", "headers": [], "query_string": b""}]
    tenants = Tenant.objects.filter(pk=bob.tenant.pk)
    match what:
        case "left":
            Member.objects.filter(user=bob.user).delete()
        case "switched off":
            User.objects.filter(pk=bob.user.pk).update(is_active=False)
        case "signed out":
            signed_in = {row.pk: row.get_decoded()["_auth_user_id"] for row in Session.objects.all()}
            Session.objects.filter(pk__in=[pk for pk, user in signed_in.items() if user == str(bob.user.pk)]).delete()
        case "password":
            bob.user.set_password("another horse")
            bob.user.save()
        case "tenant":
            tenants.update(is_active=False)
        case "address":
            tenants.update(people_addresses=["203.0.113.0/24"])
        case "factor":
            tenants.update(second_factor_from=timezone.now())
    stays = authentication.renewed_all(scopes)
    assert [isinstance(actor, Actor) for actor in stays] == [False, True, False]
