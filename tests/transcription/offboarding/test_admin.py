"""Operators archive and delete a tenant in the admin, after they typed its name."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Tenant, User
from tests.conftest import Character
from tests.transcription.characters import submit
from transcription.models import Recording, Transcription
from transcription.offboarding import deletion, receipts
from transcription.offboarding.models import Deletion, Download


@pytest.fixture
def operator(olivia: User) -> Client:
    client = Client()
    client.force_login(olivia)
    return client


def address(tenant: Tenant, name: str = "delete_tenant") -> str:
    return reverse(f"admin:offboarding_{name}", args=[tenant.pk])


@pytest.mark.django_db
def test_a_tenant_is_deleted_after_its_name_was_typed(operator: Client, alice: Character, lived: Transcription) -> None:
    page = operator.get(reverse("admin:tenants_tenant_change", args=[alice.tenant.pk])).content.decode()
    assert address(alice.tenant) in page
    page = operator.get(address(alice.tenant)).content.decode()
    assert address(alice.tenant, "archive") in page
    for wrong in ({}, {"name": "Acme"}, {"name": "Evil", "archived": "yes"}, {"name": "", "archived": "no"}):
        assert operator.post(address(alice.tenant), wrong).status_code == 200
        assert not Deletion.objects.exists()
    answer = operator.post(address(alice.tenant), {"name": "Acme", "archived": "yes"})
    assert "No archive of it was downloaded to its end" in answer.content.decode()
    assert not Deletion.objects.exists()
    answer = operator.post(address(alice.tenant), {"name": "Acme", "archived": "no"}, follow=True)
    assert "is being erased" in answer.content.decode()
    assert deletion.advance_all() == 1
    row = Deletion.objects.get()
    page = operator.get(reverse("admin:offboarding_deletion_change", args=[row.pk])).content.decode()
    assert "signature" in page
    file = operator.get(reverse("admin:offboarding_receipt", args=[row.pk]))
    assert receipts.verified(file.content.decode())["tenant"]["name"] == "Acme"
    assert "olivia@portal.example" in page


@pytest.mark.django_db
def test_the_admin_has_no_other_way_to_delete_a_tenant(operator: Client, alice: Character) -> None:
    assert operator.get(reverse("admin:tenants_tenant_delete", args=[alice.tenant.pk])).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [str(alice.tenant.pk)], "post": "yes"}
    operator.post(reverse("admin:tenants_tenant_changelist"), action)
    assert Tenant.objects.filter(pk=alice.tenant.pk).exists()


@pytest.mark.django_db
def test_only_operators_who_may_delete_tenants_come_here(alice: Character, client: Client) -> None:
    staff = User.objects.create_user("oscar@portal.example", "correct horse", is_staff=True)
    client.force_login(staff)
    for name in ("delete_tenant", "archive"):
        assert client.get(address(alice.tenant, name)).status_code == 403
    client.force_login(alice.user)
    assert client.get(address(alice.tenant)).status_code == 302


@pytest.mark.django_db
def test_an_archive_from_before_the_latest_recording_is_not_believed(
    operator: Client, alice: Character, lived: Transcription, fox: Path
) -> None:
    whole = Download.objects.create(tenant_uuid=alice.tenant.pk, recordings_total=2, finished_at=timezone.now())
    with scope.bound(alice.tenant.id):
        submit(alice.actor, fox, temperature=0.7)
    answer = operator.post(address(alice.tenant), {"name": "Acme", "archived": "yes"})
    assert "lacks what came after it" in answer.content.decode()
    assert not Deletion.objects.exists()
    assert operator.head(address(alice.tenant, "archive")).status_code == 405
    assert Download.objects.get() == whole


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_the_archive_is_sent_as_it_is_made(alice: Character, lived: Transcription, olivia: User) -> None:
    client = AsyncClient()
    await client.aforce_login(olivia)
    answer: Any = await client.get(address(alice.tenant, "archive"))
    assert answer.streaming
    total = await Recording._base_manager.filter(tenant=alice.tenant).acount()
    page = (await client.get(address(alice.tenant))).content.decode()
    assert f"Downloading: 0 of {total} recordings" in page
    sent = b"".join([piece async for piece in answer])
    found = zipfile.ZipFile(io.BytesIO(sent))
    assert found.testzip() is None
    assert f"{lived.id}.txt" in " ".join(found.namelist())
    with scope.bound(alice.tenant.id):
        assert [entry.action async for entry in AuditEntry.objects.filter(action="tenant.exported")]
    checksum = hashlib.sha256(sent).hexdigest()
    assert checksum in (await client.get(address(alice.tenant))).content.decode()
    row = await Download.objects.aget()
    assert (row.recordings_done, row.recordings_total, row.bytes) == (total, total, len(sent))
    await client.post(address(alice.tenant), {"name": "Acme", "archived": "yes"})
    assert checksum in (await Deletion.objects.aget()).archive
