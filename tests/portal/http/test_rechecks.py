"""Many open sockets are checked at once: each gets the answer that it would get alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from portal.http import authentication
from portal.http.rechecks import rechecks
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


def opened_with_key(character: Character) -> dict[str, Any]:
    """The scope of a socket that a program of theirs has opened."""
    bearer = [(b"authorization", character.bearer["Authorization"].encode())]
    scope: dict[str, Any] = {"type": "websocket", "path": authentication.REALTIME, "headers": bearer}
    scope |= {"query_string": b"", "client": ("127.0.0.1", 1)}
    assert authentication.caller_of(scope).actor is not None
    return scope


def test_many_sockets_are_checked_by_as_many_queries_as_one(
    acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    people = [create_member(acme, f"{number}@acme.example", "editor") for number in range(5)]
    scopes = [opened(one) for one in people]
    with django_assert_max_num_queries(6):
        found = authentication.renewed_in_bulk(scopes)
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
    for answers in authentication.renewed_in_bulk(scopes), authentication.renewed_one_by_one(scopes):
        assert [isinstance(actor, Actor) for actor in answers] == [False, True, False]


def test_sessions_that_a_former_secret_signed_stay_however_often_they_are_checked(
    bob: Character, settings: Any
) -> None:
    """Whoever answers no browser can't give them another key, and so leaves them theirs."""
    scopes = [opened(bob)]
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another one, of which nobody knew then"
    for _time in range(2):
        assert isinstance(authentication.renewed(scopes[0]), Actor)
        assert isinstance(authentication.renewed_in_bulk(scopes)[0], Actor)


def test_while_the_database_is_away_one_socket_waits_for_it_and_not_each_in_turn(
    alice: Character, mallory: Character
) -> None:
    scopes, asked = [opened_with_key(alice), opened_with_key(mallory)], []

    def away(_execute: Any, sql: str, *_more: Any) -> None:
        asked.append(sql)
        raise OperationalError("away")

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        authentication.renewed_one_by_one(scopes)
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
async def test_pages_do_not_wait_for_programs_which_are_looked_up_one_by_one(
    alice: Character, bob: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, pages = await sync_to_async(opened_with_key)(alice), await sync_to_async(opened)(bob)
    go_on, really, asked = threading.Event(), authentication.renewed_one_by_one, []

    def slow(scopes: Any) -> Any:
        asked.extend(scopes)
        go_on.wait(30)
        return really(scopes)

    monkeypatch.setattr(authentication, "renewed_one_by_one", slow)
    try:
        waiting = [asyncio.create_task(rechecks().renewed(dict(programs))) for _socket in range(3)]
        async with asyncio.timeout(20):
            while not asked:
                await asyncio.sleep(0.01)
            actor = await rechecks().renewed(pages)
        assert actor is not None
        assert (actor.user, [one.done() for one in waiting]) == (bob.user, [False] * 3)
    finally:
        go_on.set()
    assert [actor.key is not None for actor in await asyncio.gather(*waiting) if actor] == [True] * 3
    assert len(asked) == 1, "sockets of one secret are one question"
