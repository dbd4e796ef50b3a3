"""Fetches are deleted with their recordings, after their time, and when their tenant stays switched off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tenants import scope
from tenants.models import Reservation, Tenant
from tests.conftest import Character
from tests.receiver import Receiver
from tests.transcription.fetches.calls import now, order
from transcription.fetches import claims, fetcher
from transcription.fetches.models import Fetch
from transcription.library import recordings

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("way", ["at once", "after the undo window"])
def test_of_an_erased_recording_neither_name_nor_url_is_left(
    way: str, api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made, other = (order(api, f"{server.url}/{name}.wav", name=name) for name in ("Divorce", "Wedding"))
    assert fetcher.fetch_due() == 2
    recording_id = now(api, made)["recording"]
    if way == "at once":
        with scope.bound(alice.tenant.id):
            recordings.erase(alice.actor, recording_id)
    else:
        with scope.bound(alice.tenant.id):
            recordings.delete(alice.actor, recording_id)
        assert now(api, made)["status"] == "done", "it may still be undone"
        time_passes(timedelta(days=31))
        recordings.purge_deleted()
    assert api.get(f"/api/v1/fetches/{made['id']}").status_code == 404
    with scope.bound(alice.tenant.id):
        assert [str(row.id) for row in Fetch.objects.all()] == [other["id"]]


def test_a_switched_off_tenant_s_downloads_wait_a_month_and_go(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    order(api, f"{server.url}/?token=x")
    Tenant.objects.update(is_active=False)
    time_passes(timedelta(days=29))
    assert (fetcher.fetch_due(), claims.forget_stranded()) == (0, 0)
    time_passes(timedelta(days=2))
    assert claims.forget_stranded() == 1
    with scope.bound(alice.tenant.id):
        assert not Fetch.objects.exists()
        assert not Reservation.objects.exists()
    assert server.connections == 0


@pytest.mark.parametrize("keeps_audio", [0, 1, 400, None])
def test_a_short_pause_loses_no_download_however_short_audio_is_kept(
    keeps_audio: int | None, api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    Tenant.objects.update(is_active=False, audio_retention_days=keeps_audio)
    time_passes(timedelta(days=29))
    assert claims.forget_stranded() == 0
    Tenant.objects.update(is_active=True)
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_a_tenant_that_is_switched_on_while_others_are_swept_loses_no_download(
    api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    Tenant.objects.update(is_active=False)
    time_passes(timedelta(days=40))

    def switched_on_first(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE"):
            Tenant.objects.update(is_active=True)
        return execute(sql, *rest)

    with connection.execute_wrapper(switched_on_first):
        assert claims.forget_stranded() == 0
    assert Tenant.objects.filter(is_active=True).exists()
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_a_tenant_that_is_switched_on_again_loses_no_download(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    Tenant.objects.update(is_active=False)
    time_passes(timedelta(days=40))
    Tenant.objects.update(is_active=True)
    assert claims.forget_stranded() == 0
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_old_ones_and_old_keys_are_forgotten(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    order(api, server.url, key="one")
    fetcher.fetch_due()
    time_passes(timedelta(hours=25))
    claims.forget_old()
    with scope.bound(alice.tenant.id):
        assert Fetch.objects.get().idempotency_key == ""
        time_passes(timedelta(days=31))
        claims.forget_old()
        assert not Fetch.objects.exists()
