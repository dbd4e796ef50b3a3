"""What operators do to a tenant stands in its audit log."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tenants import scope
from tenants.models import ApiKey, AuditEntry, Member, Quota, Tenant, User
from tests.conftest import Character
from tests.portal.ops.test_operations import transcription
from transcription.models import Status

pytestmark = pytest.mark.django_db


def told(tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    with scope.bound(tenant.id):
        return [(entry.action, entry.details) for entry in AuditEntry.objects.order_by("id")]


def form_of(tenant: Tenant, *members: tuple[Member, str] | User, **changes: str) -> dict[str, str]:
    """The admin's page as a browser sends it. Members with their roles; a user is added as a viewer."""
    quota = Quota.objects.get(tenant=tenant)
    form = {
        **{"name": tenant.name, "is_active": "on", "default_mode": tenant.default_mode, "speakers": "off"},
        **{"allows_sharing": "on", "allows_guests": "on", "bin_days": str(tenant.bin_days)},
        **{"quota-TOTAL_FORMS": "1", "quota-INITIAL_FORMS": "1", "quota-0-id": str(quota.pk)},
        **{"quota-0-tenant": str(tenant.pk), "quota-0-monthly_seconds": str(quota.monthly_seconds // 60)},
        **{"quota-0-concurrent": str(quota.concurrent), "quota-0-share": str(quota.share)},
        **{"quota-0-upload_bytes": str(quota.upload_bytes // 1024**2)},
        **{"quota-0-recording_seconds": str(quota.recording_seconds // 60)},
        **{"quota-0-stored_bytes": str(quota.stored_bytes // 1024**3)},
        **{"quota-0-requests_per_minute": str(quota.requests_per_minute), "quota-0-plan": str(quota.plan_id or "")},
        **{f"quota-0-{name}": "on" for name in ("includes_sharing", "includes_voices") if getattr(quota, name)},
        **{"api_keys-TOTAL_FORMS": "0", "api_keys-INITIAL_FORMS": "0"},
        **{"allowed_domains-TOTAL_FORMS": "0", "allowed_domains-INITIAL_FORMS": "0"},
        "members-TOTAL_FORMS": str(len(members)),
        "members-INITIAL_FORMS": str(sum(isinstance(one, tuple) for one in members)),
    }
    for number, one in enumerate(members):
        row = f"members-{number}"
        user, role = (one[0].user, one[1]) if isinstance(one, tuple) else (one, "viewer")
        form |= {f"{row}-tenant": str(tenant.pk), f"{row}-user": str(user.pk), f"{row}-role": role}
        form[f"{row}-id"] = str(one[0].pk) if isinstance(one, tuple) else ""
    return form | changes


def save(operator: Client, tenant: Tenant, form: dict[str, str]) -> None:
    answer = operator.post(reverse("admin:tenants_tenant_change", args=[tenant.pk]), form)
    assert answer.status_code == 302, answer.content.decode()


def test_a_page_that_changes_nothing_tells_nothing(operator: Client, alice: Character) -> None:
    save(operator, alice.tenant, form_of(alice.tenant, (alice.member, "owner")))
    assert told(alice.tenant) == []


def test_changes_of_limits_and_of_the_tenant(operator: Client, alice: Character) -> None:
    changes = {"quota-0-concurrent": "3", "hotwords": "Project Falcon"}
    save(operator, alice.tenant, form_of(alice.tenant, (alice.member, "owner"), **changes))
    assert told(alice.tenant) == [
        ("tenant.changed", {"fields": ["hotwords"]}),
        ("quota.changed", {"concurrent": 3}),
    ]
    with scope.bound(alice.tenant.id):
        entry = AuditEntry.objects.all()[0]
    assert (entry.actor_kind, entry.actor_name, entry.address) == ("operator", "olivia@portal.example", "127.0.0.1")


def test_members_that_come_change_and_go(operator: Client, alice: Character, bob: Character) -> None:
    new = User.objects.create_user("new@acme.example", "correct horse")
    form = form_of(alice.tenant, (alice.member, "owner"), (bob.member, "editor"), new)
    save(operator, alice.tenant, form)
    save(operator, alice.tenant, form_of(alice.tenant, (alice.member, "owner")) | gone(bob.member, alice.tenant))
    assert told(alice.tenant) == [
        ("member.added", {"email": "new@acme.example", "role": "viewer"}),
        ("member.changed", {"fields": ["role"], "email": "bob@acme.example", "role": "editor"}),
        ("member.removed", {"email": "bob@acme.example", "role": "editor"}),
        ("key.revoked", {"name": "Key of bob@acme.example"}),
    ]


def gone(member: Member, tenant: Tenant) -> dict[str, str]:
    row = {"id": str(member.pk), "tenant": str(tenant.pk), "user": str(member.user_id), "role": "editor"}
    form = {f"members-1-{name}": value for name, value in row.items()}
    return form | {"members-1-DELETE": "on", "members-TOTAL_FORMS": "2", "members-INITIAL_FORMS": "2"}


def test_keys_and_cancelled_work(operator: Client, alice: Character) -> None:
    operator.post(reverse("admin:tenants_tenant_key", args=[alice.tenant.pk]), {"name": "Robot"})
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get(name="Robot")
    operator.post(reverse("admin:tenants_apikey_changelist"), {"action": "revoke", "_selected_action": [str(key.pk)]})
    waiting = transcription(alice.tenant, Status.QUEUED)
    chosen = {"action": "cancel", "_selected_action": [str(waiting.pk)]}
    for _ in range(2):
        operator.post(reverse("admin:transcription_transcription_changelist"), chosen)
    assert [action for action, _details in told(alice.tenant)] == [
        "key.created",
        "key.revoked",
        "transcription.cancelled",
    ]


def test_the_digests_of_a_key_are_on_no_page(operator: Client, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get()
        ApiKey.objects.update(old_digest="0ldd1gest")
    page = operator.get(reverse("admin:tenants_apikey_change", args=[key.pk])).content.decode()
    assert key.digest not in page
    assert "0ldd1gest" not in page
