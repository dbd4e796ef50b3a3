"""The admin: operators manage tenants, quotas and keys, watch the work, and edit no account by hand."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from tenants import api_keys, notices, scope, units
from tenants.models import ApiKey, AuditEntry, Notice, Quota, Tenant, User
from tests.conftest import Character
from tests.portal.ops.test_operations import transcription
from transcription.folders import folders
from transcription.models import Status, Transcription

pytestmark = pytest.mark.django_db
LISTS = (
    *("tenants_tenant", "tenants_user", "tenants_apikey", "tenants_usagemonth", "tenants_reservation"),
    *("tenants_ledgerentry", "tenants_notice", "tenants_accountcheck", "tenants_auditentry"),
    *("transcription_recording", "transcription_transcription", "transcription_engine"),
    *("uploads_upload", "fetches_fetch", "webhooks_endpoint", "webhooks_delivery", "offboarding_deletion"),
    "shares_share",
)
READ_ONLY = (
    *("tenants_apikey", "tenants_usagemonth", "tenants_reservation", "tenants_ledgerentry"),
    *("tenants_notice", "tenants_accountcheck", "tenants_auditentry"),
    *("uploads_upload", "fetches_fetch", "webhooks_endpoint", "webhooks_delivery", "offboarding_deletion"),
    "shares_share",
)


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens(name: str, operator: Client, alice: Character) -> None:
    transcription(alice.tenant, Status.QUEUED)
    assert operator.get(reverse(f"admin:{name}_changelist")).status_code == 200


@pytest.mark.parametrize("name", [*READ_ONLY, "transcription_recording", "transcription_transcription"])
def test_nobody_adds_what_only_the_code_may_write(name: str, operator: Client) -> None:
    assert operator.get(reverse(f"admin:{name}_add")).status_code == 403


def test_a_new_key_is_shown_once_and_works(operator: Client, acme: Tenant) -> None:
    page = operator.post(reverse("admin:tenants_tenant_key", args=[acme.pk]), {"name": "Robot"}, follow=True)
    shown = re.search(r"wp_[0-9a-f]{8}_[\w-]+", page.content.decode())
    assert shown
    actor = api_keys.authenticate(shown[0])
    assert actor
    assert actor.tenant == acme
    again = operator.get(reverse("admin:tenants_tenant_change", args=[acme.pk])).content.decode()
    assert "Robot" in again
    assert shown[0] not in again


def test_a_revoked_key_opens_nothing(operator: Client, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get()
    operator.post(reverse("admin:tenants_apikey_changelist"), {"action": "revoke", "_selected_action": [str(key.pk)]})
    assert api_keys.authenticate(alice.secret) is None


def test_an_operator_limits_a_key_to_folders_and_opens_it_again(operator: Client, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        press, _sales = (folders.create(alice.actor, name) for name in ("Press", "Sales"))
        key = ApiKey.objects.get()
    address = reverse("admin:tenants_apikey_change", args=[key.pk])

    def change(limits: str, **more: str) -> str:
        return operator.post(address, {"limits": limits, **more}, follow=True).content.decode()

    def limits_and_audit() -> tuple[list[str], list[object]]:
        with scope.bound(alice.tenant.id):
            told = AuditEntry.objects.filter(action="key.changed").order_by("id")
            return ApiKey.objects.get().folders, [entry.details["folders"] for entry in told]

    assert "There is no folder “Pres”." in change("Press\r\nPres")
    change("press", name="Another")
    assert limits_and_audit() == ([str(press.id)], [[str(press.id)]])
    assert "limited to 1 folder<" in operator.get(reverse("admin:tenants_apikey_changelist")).content.decode()
    assert ">\nPress</textarea>" in operator.get(address).content.decode()
    assert "Name a folder." in change("")
    assert "Somebody has changed this meanwhile." in change("Sales", seen="of earlier")
    change("", sees_all="on")
    assert limits_and_audit() == ([], [[str(press.id)], []])
    with scope.bound(alice.tenant.id):
        assert ApiKey.objects.get().name == key.name
        ApiKey.objects.update(scope="admin")
    assert "can’t be limited to folders" in change("Press")
    with scope.bound(alice.tenant.id):
        api_keys.revoke(alice.actor, key.id)
    page = operator.get(address).content.decode()
    assert "All but private ones" in page
    assert "<textarea" not in page
    assert operator.post(address, {"limits": ""}).status_code == 403


def test_quotas_are_typed_in_units_that_people_use(operator: Client) -> None:
    empty = {
        f"{name}-{part}": "0"
        for name in ("members", "allowed_domains", "api_keys")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    quota = {
        "quota-TOTAL_FORMS": "1",
        "quota-INITIAL_FORMS": "0",
        "quota-0-monthly_seconds": "90",
        "quota-0-concurrent": "2",
        "quota-0-upload_bytes": "1.5",
        "quota-0-recording_seconds": "30",
        "quota-0-stored_bytes": "2",
        "quota-0-requests_per_minute": "120",
        "quota-0-share": "3",
    }
    tenant = {"name": "New", "is_active": "on", "audio_retention_days": "30", "default_mode": "exact"}
    tenant["bin_days"] = "30"
    answer = operator.post(reverse("admin:tenants_tenant_add"), {**tenant, **empty, **quota})
    assert answer.status_code == 302, answer.content.decode()
    made = Quota.objects.get(tenant__name="New")
    assert (made.monthly_seconds, made.recording_seconds) == (5400, 1800)
    assert (made.requests_per_minute, made.share) == (120, 3)
    assert (made.tenant.audio_retention_days, made.tenant.text_retention_days) == (30, None)
    assert made.tenant.default_mode == "exact"
    assert (made.upload_bytes, made.stored_bytes) == (1_572_864, 2 * 1024**3)
    page = operator.get(reverse("admin:tenants_tenant_change", args=[made.tenant_id])).content.decode()
    assert 'value="90"' in page


def test_a_notice_says_when_it_was_raised_sent_and_dismissed(operator: Client, acme: Tenant) -> None:
    notices.note_refusal(acme, "stored_bytes")
    with scope.bound(acme.id):
        page = operator.get(reverse("admin:tenants_notice_change", args=[Notice.objects.get().pk])).content.decode()
    for name in ("created_at", "emailed_at", "dismissed_at"):
        assert f"field-{name}" in page
    assert '<div class="readonly">refused</div>' in page


def test_labels_begin_with_a_capital(operator: Client, acme: Tenant) -> None:
    page = operator.get(reverse("admin:tenants_tenant_change", args=[acme.pk])).content.decode()
    labels = re.findall(r"<label[^>]*>([^<]+)", page)
    assert "Audio minutes a month:" in labels
    assert [label for label in labels if label[0].islower()] == []


@pytest.mark.parametrize(
    ("seconds", "exact", "whole"),
    [(0, "0.0 min", "0 min"), (34.7, "34 s", "34 s"), (0.2, "1 s", "1 s"), (90, "1.5 min", "1 min")],
)
def test_less_than_a_minute_is_said_in_seconds(seconds: float, exact: str, whole: str) -> None:
    assert (units.minutes(seconds), units.audio(seconds)) == (exact, whole)


def test_an_operator_cancels_a_transcription(operator: Client, acme: Tenant) -> None:
    waiting = transcription(acme, Status.QUEUED)
    operator.post(
        reverse("admin:transcription_transcription_changelist"),
        {"action": "cancel", "_selected_action": [str(waiting.pk)]},
    )
    with scope.bound(acme.id):
        assert Transcription.objects.get().status == Status.CANCELLED


def test_people_are_added_by_e_mail(operator: Client) -> None:
    password = "a long enough secret"
    form = {"email": "new@acme.example", "usable_password": "true", "password1": password, "password2": password}
    answer = operator.post(reverse("admin:tenants_user_add"), form)
    assert answer.status_code == 302, answer.content.decode()
    assert User.objects.get(email="new@acme.example").check_password(password)
