"""Operators give limits and features to many tenants at once, by plans."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from tenants import enrolled_voices, scope
from tenants.models import AuditEntry, Plan, Quota, Tenant, User
from tests.conftest import Character
from tests.portal.ops.test_audit import form_of, save
from tests.portal.web.conftest import make_transcription
from tests.portal.web.test_shares import shared_by

pytestmark = pytest.mark.django_db


def plan_form(**changes: str) -> dict[str, str]:
    """The admin's page of a plan: 100 minutes a month, 2 at once."""
    form = {"name": "Small", "monthly_seconds": "100", "concurrent": "2", "upload_bytes": "100", "stored_bytes": "1"}
    form |= {"recording_seconds": "60", "requests_per_minute": "60", "share": "1"}
    return form | {"includes_sharing": "on", "includes_voices": "on"} | changes


@pytest.fixture
def small(operator: Client) -> Plan:
    assert operator.post(reverse("admin:tenants_plan_add"), plan_form()).status_code == 302
    return Plan.objects.get(name="Small")


def put_on(operator: Client, plan: Plan, *tenants: Tenant) -> str:
    """Puts tenants on a plan by the admin's action; returns the preview."""
    form: dict[str, Any] = {"action": "assign_plan", "_selected_action": [tenant.pk for tenant in tenants]}
    url = reverse("admin:tenants_tenant_changelist")
    assert "Show what changes" in operator.post(url, form).content.decode()
    form |= {"apply": "yes", "plan": plan.pk}
    preview = operator.post(url, form)
    assert operator.post(url, form | {"previewed": preview.context["shown"]}).status_code == 302
    return preview.content.decode()


def told(tenant: Tenant) -> list[dict[str, Any]]:
    with scope.bound(tenant.id):
        return [one.details for one in AuditEntry.objects.filter(action="quota.changed").order_by("id")]


def test_a_plan_gives_its_limits_and_leaves_what_is_a_tenants_own(
    operator: Client, small: Plan, alice: Character, mallory: Character
) -> None:
    before = Quota.objects.get(tenant=alice.tenant).concurrent
    assert f"transcriptions at once: {before} → 2" in put_on(operator, small, alice.tenant, mallory.tenant)
    save(operator, alice.tenant, form_of(alice.tenant, (alice.member, "owner"), **{"quota-0-concurrent": "5"}))
    quota = Quota.objects.get(tenant=alice.tenant)
    assert (quota.plan, quota.overrides, quota.monthly_seconds, quota.concurrent) == (small, ["concurrent"], 6000, 5)

    url, changed = (
        reverse("admin:tenants_plan_change", args=[small.pk]),
        plan_form(monthly_seconds="200", concurrent="3"),
    )
    preview = operator.post(url, changed).content.decode()
    assert "2 tenants change" in preview
    assert "Acme: transcriptions at once" in preview
    assert Plan.objects.get().concurrent == 2  # nothing was done yet
    assert operator.post(url, changed | {"_confirmed": "yes"}).status_code == 302
    figures = Quota.objects.order_by("tenant__name").values_list("monthly_seconds", "concurrent")
    assert list(figures) == [(12000, 5), (12000, 3)]
    assert told(alice.tenant)[1:] == [{"concurrent": 5}, {"plan": "Small", "monthly_seconds": 12000}]
    assert told(mallory.tenant)[-1] == {"plan": "Small", "monthly_seconds": 12000, "concurrent": 3}

    # The plan's own value again is no override any more.
    save(operator, alice.tenant, form_of(alice.tenant, (alice.member, "owner"), **{"quota-0-concurrent": "3"}))
    assert Quota.objects.get(tenant=alice.tenant).overrides == []
    assert operator.post(reverse("admin:tenants_plan_delete", args=[small.pk]), {"post": "yes"}).status_code == 200
    assert Plan.objects.exists()  # it has tenants


def test_members_see_their_plan_and_what_it_leaves_out(
    operator: Client, small: Plan, alice: Character, client: Client
) -> None:
    Plan.objects.update(includes_sharing=False, includes_voices=False)
    put_on(operator, Plan.objects.get(), alice.tenant)
    row = make_transcription(alice.tenant)
    client.force_login(alice.user)
    page = client.get("/usage/").content.decode()
    assert "Your organisation’s plan: <strong>Small</strong>" in page
    assert "not included" in page
    with pytest.raises(PermissionDenied, match="no part of your organisation’s plan"):
        enrolled_voices.allow(alice.actor, True)
    answer = client.post(f"/recordings/{row.recording_id}/shares/", {"page_tenant": str(alice.tenant.id)})
    assert "Share links are no part of your organisation’s plan." in answer.content.decode()


def test_links_stop_with_a_plan_without_them(operator: Client, small: Plan, alice: Character) -> None:
    link = shared_by(alice, make_transcription(alice.tenant))
    assert Client().get(link).status_code == 200
    Plan.objects.update(includes_sharing=False)
    put_on(operator, Plan.objects.get(), alice.tenant)
    assert Client().get(link).status_code == 404


def test_a_page_of_before_takes_nothing_back(operator: Client, small: Plan, alice: Character) -> None:
    """Olivia has the tenant's page open while Oscar changes the plan."""
    put_on(operator, small, alice.tenant)
    url = reverse("admin:tenants_tenant_change", args=[alice.tenant.pk])
    [quota, *_rest] = operator.get(url).context["inline_admin_formsets"]
    stale = form_of(alice.tenant, (alice.member, "owner"), hotwords="Falcon")
    stale["quota-0-seen"] = quota.formset.forms[0]["seen"].value()
    change = reverse("admin:tenants_plan_change", args=[small.pk])
    assert operator.post(change, plan_form(concurrent="3", _confirmed="yes")).status_code == 302
    answer = operator.post(url, stale)
    assert "Somebody has changed this meanwhile." in answer.content.decode()
    now = Quota.objects.get(tenant=alice.tenant)
    assert (now.concurrent, now.overrides) == (3, [])


def test_who_may_not_change_limits_puts_nobody_on_a_plan(small: Plan, alice: Character) -> None:
    """Nor makes keys, who may not."""
    oscar = User.objects.create_user("oscar@portal.example", "correct horse", is_staff=True)
    rights = Permission.objects.filter(codename__in=["view_tenant", "change_tenant", "view_quota"])
    oscar.user_permissions.set(rights)
    client = Client()
    client.force_login(oscar)
    form = {"action": "assign_plan", "_selected_action": [alice.tenant.pk], "apply": "yes", "plan": small.pk}
    answer = client.post(reverse("admin:tenants_tenant_changelist"), form)
    assert "preview" not in (answer.context or {})
    assert Quota.objects.get(tenant=alice.tenant).plan is None
    assert client.post(reverse("admin:tenants_tenant_key", args=[alice.tenant.pk])).status_code == 403


def test_nothing_but_what_was_shown_is_done(operator: Client, small: Plan, alice: Character) -> None:
    url = reverse("admin:tenants_tenant_changelist")
    form = {"action": "assign_plan", "_selected_action": [alice.tenant.pk], "apply": "yes", "plan": small.pk}
    shown = operator.post(url, form).context["shown"]
    Plan.objects.update(concurrent=9)
    for previewed in ("", str(small.pk), shown):
        assert operator.post(url, form | {"previewed": previewed}).status_code == 200
    assert Quota.objects.get(tenant=alice.tenant).plan is None


def test_a_tenant_is_made_on_a_plan(small: Plan) -> None:
    out = StringIO()
    call_command("tenant", "create", "New", "--owner", "new@new.example", "--plan", "Small", stdout=out, stderr=out)
    quota = Quota.objects.get(tenant__name="New")
    assert (quota.plan, quota.concurrent, quota.overrides) == (small, 2, [])
    with pytest.raises(CommandError, match=r"There is no plan “Big”. There are: Small"):
        call_command("tenant", "create", "Newer", "--owner", "new@new.example", "--plan", "Big")
    assert not Tenant.objects.filter(name="Newer").exists()
