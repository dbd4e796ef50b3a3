"""Operators import and export tables: shown before, guarded against formulas, told in the audit log."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tenants import scope
from tenants.models import AuditEntry, Member, Plan, Quota, Role, Tenant
from tests.conftest import Character

pytestmark = pytest.mark.django_db


def export(operator: Client, model: str) -> list[dict[str, str]]:
    page = operator.get(reverse(f"admin:tenants_{model}_export")).content.decode()
    ticked = dict.fromkeys(re.findall(r'name="(\w+)"[^>]*type="checkbox"|type="checkbox"[^>]*?name="(\w+)"', page))
    names = {one or other: "on" for one, other in ticked}
    answer = operator.post(reverse(f"admin:tenants_{model}_export"), {"format": "0", "resource": "", **names})
    assert answer["Content-Type"].startswith("text/csv"), answer.content.decode()
    return list(csv.DictReader(StringIO(answer.content.decode())))


def preview(operator: Client, model: str, text: str) -> str:
    file = SimpleUploadedFile("rows.csv", text.encode())
    form = {"import_file": file, "format": "0", "resource": ""}
    return operator.post(reverse(f"admin:tenants_{model}_import"), form).content.decode()


def confirm(operator: Client, model: str, page: str) -> Any:
    hidden = {tag[0]: tag[1] for tag in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}
    return operator.post(reverse(f"admin:tenants_{model}_process_import"), hidden)


def told(tenant: Tenant) -> list[str]:
    with scope.bound(tenant.id):
        return [row.action for row in AuditEntry.objects.order_by("id")]


def test_tenants_go_out_and_come_in_and_no_cell_is_a_formula(operator: Client, alice: Character) -> None:
    Plan.objects.create(
        name="Small",
        **dict.fromkeys(("monthly_seconds", "concurrent", "upload_bytes"), 9),
        recording_seconds=9,
        stored_bytes=9,
    )
    Tenant.objects.filter(pk=alice.tenant.pk).update(name="=HYPERLINK(1)")
    [row] = export(operator, "tenant")
    assert row["name"] == "'=HYPERLINK(1)"
    text = ",".join(row) + "\n" + ",".join((row | {"plan": "Small"}).values())
    text += "\n,New,1,Small,,,30"
    page = preview(operator, "tenant", text)
    assert not Tenant.objects.filter(name="New").exists()  # only shown
    assert confirm(operator, "tenant", page).status_code == 302
    assert Quota.objects.get(tenant__name="New").plan == Plan.objects.get()
    assert Tenant.objects.get(pk=alice.tenant.pk).name == "=HYPERLINK(1)"
    assert told(alice.tenant) == ["data.exported", "quota.changed"]
    assert told(Tenant.objects.get(name="New")) == ["tenant.created"]
    assert "There is no plan" in preview(operator, "tenant", "id,name,plan\n,Other,Large")


def test_an_import_that_was_changed_meanwhile_is_refused(operator: Client) -> None:
    page = preview(operator, "tenant", "id,name,is_active,bin_days\n,New,1,30")
    forged = re.sub(r'(name="import_file_name" value=")', r"\1x", page)
    assert forged != page
    assert confirm(operator, "tenant", forged).status_code == 400
    assert not Tenant.objects.filter(name="New").exists()


def test_members_come_in_with_their_roles(operator: Client, alice: Character, mallory: Character) -> None:
    head = "tenant,email,role\n"
    page = preview(operator, "member", f"{head}{alice.tenant.pk},MALLORY@evil.example,editor")
    assert confirm(operator, "member", page).status_code == 302
    assert Member.objects.get(tenant=alice.tenant, user=mallory.user).role == Role.EDITOR
    assert told(alice.tenant) == ["member.added"]
    assert "Invite them instead" in preview(operator, "member", f"{head}{alice.tenant.pk},nobody@acme.example,editor")
    refused = preview(operator, "member", f"{head}{alice.tenant.pk},alice@acme.example,viewer")
    assert "The tenant would have no owner." in refused


def test_keys_and_the_ledger_go_out_without_secrets(operator: Client, alice: Character) -> None:
    [row] = export(operator, "apikey")
    assert row["prefix"] in alice.secret
    assert not {"digest", "old_digest"} & set(row)
    assert operator.get("/admin/tenants/apikey/import/").status_code in (302, 404)
    assert export(operator, "ledgerentry") == []
    assert told(alice.tenant) == ["data.exported"]
