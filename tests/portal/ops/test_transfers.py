"""Operators import and export tables: shown before, guarded against formulas, told in the audit log."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Member, Plan, Quota, Role, Tenant, User
from tests.conftest import Character

pytestmark = pytest.mark.django_db


def file_of(operator: Client, model: str, format: str) -> str:
    page = operator.get(reverse(f"admin:tenants_{model}_export")).content.decode()
    ticked = dict.fromkeys(re.findall(r'name="(\w+)"[^>]*type="checkbox"|type="checkbox"[^>]*?name="(\w+)"', page))
    names = {one or other: "on" for one, other in ticked}
    answer = operator.post(reverse(f"admin:tenants_{model}_export"), {"format": format, "resource": "", **names})
    assert answer["Content-Type"].startswith(("text/csv", "application/json")), answer.content.decode()
    return answer.content.decode()


def export(operator: Client, model: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(file_of(operator, model, "0"), newline="")))


def small_plan() -> Plan:
    limits = ("monthly_seconds", "concurrent", "upload_bytes", "recording_seconds", "stored_bytes")
    return Plan.objects.create(name="Small", **dict.fromkeys(limits, 9))


def preview(operator: Client, model: str, text: str, format: str = "0") -> str:
    file = SimpleUploadedFile("rows.csv", text.encode())
    form = {"import_file": file, "format": format, "resource": ""}
    return operator.post(reverse(f"admin:tenants_{model}_import"), form).content.decode()


def confirm(operator: Client, model: str, page: str) -> Any:
    hidden = {tag[0]: tag[1] for tag in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}
    return operator.post(reverse(f"admin:tenants_{model}_process_import"), hidden)


def told(tenant: Tenant) -> list[str]:
    with scope.bound(tenant.id):
        return [row.action for row in AuditEntry.objects.order_by("id")]


def test_tenants_go_out_and_come_in_and_no_cell_is_a_formula(operator: Client, alice: Character) -> None:
    small_plan()
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


def test_whoever_may_only_change_adds_nothing_and_no_operator_gets_in(
    alice: Character, mallory: Character, olivia: User, client: Client
) -> None:
    oscar = User.objects.create_user("oscar@portal.example", "correct horse", is_staff=True)
    codes = [f"{verb}_{model}" for verb in ("view", "change") for model in ("tenant", "member")]
    oscar.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(oscar)
    small_plan()
    members = "tenant,email,role\n"
    for model, text, why in (
        ("tenant", "id,name,is_active,bin_days\n,New,1,30", "add nothing"),
        ("tenant", f"id,name,plan\n{alice.tenant.pk},Acme,Small", "not put tenants on plans"),
        ("member", f"{members}{alice.tenant.pk},mallory@evil.example,owner", "add nothing"),
        ("member", f"{members}{alice.tenant.pk},oscar@portal.example,owner", "add nothing"),
    ):
        assert why in preview(client, model, text), text
    oscar.user_permissions.add(Permission.objects.get(codename="add_member"))
    for email in (oscar.email, olivia.email):
        assert "is an operator" in preview(client, "member", f"{members}{alice.tenant.pk},{email},owner")
    page = preview(client, "member", f"{members}{alice.tenant.pk},mallory@evil.example,viewer")
    Tenant.objects.filter(pk=alice.tenant.pk).update(is_active=False, deleting_at=timezone.now())
    confirm(client, "member", page)
    assert not Member.objects.filter(tenant=alice.tenant, user=mallory.user).exists()
    assert "is being erased" in preview(client, "tenant", f"id,name\n{alice.tenant.pk},Acme again")


NAMES = ("=1+1", "'=1+1", "R&D;=1+1", "R&D,'=1", "a\t'\t=b", "O'Neill", "'quoted'", "x;\"'=y", "a|-b")


@pytest.mark.parametrize("format", ["0", "1"])
def test_names_are_after_an_import_what_they_were_before_the_export(
    operator: Client, alice: Character, format: str
) -> None:
    ids = [Tenant.objects.create(name=name).pk for name in NAMES]
    file = file_of(operator, "tenant", format)
    Tenant.objects.filter(pk__in=ids).update(name="Damaged")
    assert confirm(operator, "tenant", preview(operator, "tenant", file, format)).status_code == 302
    assert [Tenant.objects.get(pk=pk).name for pk in ids] == list(NAMES)


def test_a_file_of_new_tenants_needs_no_ids(operator: Client) -> None:
    page = preview(operator, "tenant", "\ufeffname,is_active,bin_days\nGlobex,1,30\n")
    assert "Confirm import" in page
    assert "Globex" in page


@pytest.mark.parametrize(
    ("model", "content", "said"),
    [
        ("tenant", "name\nÄcme\n".encode("utf-16"), "This is no text in UTF-8."),
        ("member", b"email,role\nbob@acme.example,viewer\n", "These are missing: tenant."),
        ("tenant", b"title\nAcme\n", "These are missing: id."),
    ],
)
def test_what_cannot_be_read_is_said_without_a_traceback(
    operator: Client, model: str, content: bytes, said: str
) -> None:
    form = {"import_file": SimpleUploadedFile("rows.csv", content), "format": "0", "resource": ""}
    answer = operator.post(reverse(f"admin:tenants_{model}_import"), form)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
