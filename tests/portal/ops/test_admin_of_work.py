"""What operators see of uploads, downloads by URL and webhooks: what hangs, and nobody's secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tenants import scope
from tests.conftest import Character
from tests.portal.ops.test_admin import LISTS
from tests.portal.ops.test_operations import transcription
from transcription.fetches import access
from transcription.fetches.models import Fetch
from transcription.intake.request import CallContext
from transcription.models import Status
from transcription.options.options import TranscriptionOptions
from transcription.uploads import creation
from transcription.uploads.creation import Plan
from transcription.uploads.models import Upload
from transcription.webhooks import endpoints, events
from transcription.webhooks.models import Attempt, Delivery, Endpoint

pytestmark = pytest.mark.django_db
WORK: dict[str, Any] = {
    "uploads_upload": Upload,
    "fetches_fetch": Fetch,
    "webhooks_endpoint": Endpoint,
    "webhooks_delivery": Delivery,
}
SECRETS = ("s3cret", "whsec_", "hunter2")


def work_of(who: Character) -> None:
    """An upload that was refused, a fetch, and a webhook with a delivery that was tried."""
    with scope.bound(who.tenant.id):
        problem = {"status": 422, "code": "not_media", "detail": "This is no sound."}
        upload = creation.open_on_disk(who.actor, Plan(name="board.mp3", length=1000))
        Upload.objects.filter(pk=upload.pk).update(
            problem=problem, state="refused", metadata="filename s3cret", idempotency_key="s3cret"
        )
        url, call = "https://acme.example/board.mp3?token=s3cret", CallContext(endpoint="x", key="")
        access.create(who.actor, url, "", TranscriptionOptions.checked(), call)
        salt, digest = "hunter2" * 4, "s3cret" * 10
        hook = Endpoint.objects.create(
            tenant=who.tenant, url="https://acme.example/s3cret/hook?s3cret", salt=salt, digest=digest, old_salt=salt
        )
        delivery = events.test_of(hook)
        Attempt.objects.create(
            tenant=who.tenant, delivery=delivery, started_at=timezone.now(), seconds=1, status=500, response="s3cret"
        )


def rows(name: str) -> list[Any]:
    with scope.across_tenants("this test"):
        return list(WORK[name].objects.all())


@pytest.mark.parametrize("name", WORK)
def test_lists_and_pages_show_no_secret(name: str, operator: Client, alice: Character) -> None:
    work_of(alice)
    [row] = rows(name)
    for address in (
        reverse(f"admin:{name}_changelist"),
        reverse(f"admin:{name}_changelist") + "?q=acme",
        reverse(f"admin:{name}_change", args=[row.pk]),
    ):
        answer = operator.get(address)
        assert answer.status_code == 200
        page = answer.content.decode()
        assert "Acme" in page
        assert [secret for secret in SECRETS if secret in page] == []


@pytest.mark.parametrize("name", WORK)
def test_a_secret_can_t_be_looked_for_either(name: str, operator: Client, alice: Character) -> None:
    work_of(alice)
    page = operator.get(reverse(f"admin:{name}_changelist") + "?q=s3cret")
    assert page.context["cl"].result_count == 0


def test_a_download_is_found_by_what_was_made_of_it(operator: Client, alice: Character, mallory: Character) -> None:
    for who in (alice, mallory):
        work_of(who)
        made = transcription(who.tenant, Status.QUEUED)
        with scope.bound(who.tenant.id):
            Fetch.objects.update(recording=made.recording, transcription_id=made.pk)
    ours = next(row for row in rows("fetches_fetch") if row.tenant == alice.tenant)
    for known in (ours.recording_id, ours.transcription_id, ours.pk):
        page = operator.get(reverse("admin:fetches_fetch_changelist"), {"q": str(known)})
        assert [row.pk for row in page.context["cl"].result_list] == [ours.pk]
    details = operator.get(reverse("admin:fetches_fetch_change", args=[ours.pk])).content.decode()
    assert "Recording:" in details
    assert reverse("admin:transcription_recording_change", args=[ours.recording_id]) in details


def test_a_page_says_why(operator: Client, alice: Character) -> None:
    work_of(alice)
    [upload] = rows("uploads_upload")
    page = operator.get(reverse("admin:uploads_upload_change", args=[upload.pk])).content.decode()
    assert "This is no sound." in page
    [delivery] = rows("webhooks_delivery")
    page = operator.get(reverse("admin:webhooks_delivery_change", args=[delivery.pk])).content.decode()
    assert "acme.example" in page
    assert "500" in page


@pytest.mark.parametrize(
    ("name", "hanging"),
    [
        ("uploads_upload", {"state": "arrived", "not_before": timedelta(hours=-1)}),
        ("fetches_fetch", {"not_before": timedelta(hours=-1)}),
        ("webhooks_delivery", {"next_attempt_at": timedelta(hours=-1)}),
    ],
)
def test_what_hangs_is_found(
    name: str, hanging: dict[str, object], operator: Client, alice: Character, mallory: Character
) -> None:
    for who in (alice, mallory):
        work_of(who)
    with scope.bound(alice.tenant.id):
        moved = {k: timezone.now() + v if isinstance(v, timedelta) else v for k, v in hanging.items()}
        WORK[name].objects.update(**moved)
    found = operator.get(reverse(f"admin:{name}_changelist") + "?overdue=1").context["cl"].result_list
    assert [str(row.tenant) for row in found] == ["Acme"]


def test_a_paused_webhook_hangs_on_purpose(operator: Client, alice: Character) -> None:
    work_of(alice)
    [hook] = rows("webhooks_endpoint")
    with scope.bound(alice.tenant.id):
        Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
        endpoints.pause(alice.actor, hook.pk)
    found = operator.get(reverse("admin:webhooks_delivery_changelist") + "?overdue=1").context["cl"]
    assert found.result_count == 0


@pytest.mark.parametrize("name", LISTS)
def test_a_longer_list_costs_no_more(name: str, operator: Client, alice: Character, mallory: Character) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert operator.get(reverse(f"admin:{name}_changelist")).status_code == 200
        return len(queries)

    def more() -> None:
        for who in (alice, mallory):
            work_of(who)
            transcription(who.tenant, Status.QUEUED)

    more()
    few = cost()
    more()
    assert cost() == few


def test_the_waiting_deliveries_of_a_webhook_are_counted(operator: Client, alice: Character) -> None:
    work_of(alice)
    [hook] = rows("webhooks_endpoint")
    with scope.bound(alice.tenant.id):
        events.test_of(hook)
    page = operator.get(reverse("admin:webhooks_endpoint_changelist")).content.decode()
    address = reverse("admin:webhooks_delivery_changelist")
    link = f"{address}?q={hook.pk}&amp;state=pending"
    assert f'href="{link}">2</a>' in page
    found = operator.get(link.replace("&amp;", "&")).context["cl"]
    assert found.result_count == 2
