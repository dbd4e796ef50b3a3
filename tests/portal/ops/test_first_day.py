"""An operator's first day: what the admin leads to, and what it refuses in words."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants import api_keys, scope
from tenants.admin import OfTenant
from tenants.models import ApiKey, AuditEntry, Invitation, Maintenance, Tenant, User
from tests.conftest import Character
from tests.portal.ops.test_audit import form_of
from tests.portal.ops.test_operations import transcription
from tests.portal.ops.test_permissions import allow, client_of
from transcription.models import Engine, Status, Transcription

pytestmark = pytest.mark.django_db


def text(page: object) -> str:
    assert isinstance(page, HttpResponse)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


def test_an_operator_invites_a_tenants_owner_and_takes_it_back(operator: Client, acme: Tenant) -> None:
    page, invite = (reverse(f"admin:tenants_tenant_{name}", args=[acme.pk]) for name in ("change", "invite"))
    assert "Nobody owns this tenant yet." in text(operator.get(page))

    def sent(**form: str) -> str:
        return text(
            operator.post(invite, {name.replace("__", "-"): value for name, value in form.items()}, follow=True)
        )

    assert "Enter a valid email address." in sent(invitation__email="carol@", invitation__role="owner")
    assert "carol@acme.example is invited as Owner" in sent(
        invitation__email="Carol@acme.example", invitation__role="owner"
    )
    with scope.bound(acme.id):
        row = Invitation.objects.get()
        told = AuditEntry.objects.get(action="invitation.created")
    assert (told.actor_kind, told.actor_name) == (AuditEntry.Kind.OPERATOR, "olivia@portal.example")
    assert "The invitation was revoked." in sent(revoke=str(row.pk))
    with scope.bound(acme.id):
        assert Invitation.objects.get().revoked_at is not None


def test_whoever_may_add_no_members_invites_nobody(alice: Character) -> None:
    stan = User.objects.create_user("stan@portal.example", "correct horse", is_staff=True)
    may_look = client_of(allow(stan, "tenants", "change_tenant"))
    assert "Invite" not in text(may_look.get(reverse("admin:tenants_tenant_change", args=[alice.tenant.pk])))
    form = {"invitation-email": "stan@portal.example", "invitation-role": "owner"}
    address = reverse("admin:tenants_tenant_invite", args=[alice.tenant.pk])
    assert may_look.post(address, form).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"languages": "klingon"}, "“klingon” is not a language Whisper knows."),
        ({"default_model": "nope"}, "“nope” is not offered here."),
    ],
)
def test_what_a_tenant_could_never_use_is_refused(
    operator: Client, alice: Character, wrong: dict[str, str], said: str
) -> None:
    address = reverse("admin:tenants_tenant_change", args=[alice.tenant.pk])
    assert said in text(operator.post(address, form_of(alice.tenant, (alice.member, "owner"), **wrong)))


def test_a_second_tenant_of_a_name_is_told_of(operator: Client, alice: Character) -> None:
    Tenant.objects.create(name="Globex")
    address = reverse("admin:tenants_tenant_change", args=[alice.tenant.pk])
    form = form_of(alice.tenant, (alice.member, "owner"), name="globex")
    assert "There is another tenant called globex" in text(operator.post(address, form, follow=True))


def test_maintenance_ends_in_no_past(operator: Client) -> None:
    form = {"text_en": "Works", "text_zh": "维护", "expected_end_0": "2020-01-01", "expected_end_1": "00:00:00"}
    page = text(operator.post(reverse("admin:tenants_maintenance_add"), form))
    assert "This time is over." in page
    assert "Saving switches maintenance on at once" in page
    assert not Maintenance.objects.exists()


def test_the_first_page_has_sections_of_what_operators_do(operator: Client, alice: Character) -> None:
    page = text(operator.get(reverse("admin:index")))
    assert page.index("Tenants and people") < page.index("Recordings and work") < page.index("Usage and accounts")
    assert "Redis queues" in page
    assert "Django_Rq" not in page


def test_an_engines_figures_have_units(operator: Client, engine: Engine) -> None:
    Engine.objects.update(gpu_memory_used_mib=2048.0, gpu_memory_total_mib=24_576.0, busy_seconds=75.25, rung="eager")
    page = text(operator.get(reverse("admin:transcription_engine_change", args=["here:0"])))
    for told in ("2.0 GB of 24.0 GB", "without CUDA graphs", "1 min 15 s"):
        assert told in page


def test_the_first_figures_are_the_gpus_memory_and_how_long_the_oldest_waits(
    operator: Client, engine: Engine, alice: Character
) -> None:
    Engine.objects.update(gpu_memory_used_mib=32_768.0, gpu_memory_total_mib=131_072.0)
    transcription(alice.tenant, Status.QUEUED, created_at=timezone.now() - timedelta(hours=3))
    page = operator.get(reverse("admin:operations"))
    assert "25 % of GPU memory in use: 32.0 GiB of 128.0 GiB" in text(page)
    assert re.search(r"1 transcription waits , the oldest for 3\.\d h", text(page))
    queue = operator.get(reverse("admin:operations_queue")).content.decode()
    assert reverse("admin:tenants_tenant_change", args=[alice.tenant.pk]) in queue


def test_among_many_tenants_a_list_names_only_the_chosen_one(
    operator: Client, alice: Character, mallory: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in (alice, mallory):
        transcription(who.tenant, Status.QUEUED)
    address = reverse("admin:transcription_transcription_changelist")

    def listed(**query: str) -> list[str]:
        return [str(row.tenant) for row in operator.get(address, query, follow=True).context["cl"].result_list]

    assert f"tenant__id__exact={mallory.tenant.pk}" in operator.get(address).content.decode()
    monkeypatch.setattr(OfTenant, "MOST", 1)
    assert f"tenant__id__exact={mallory.tenant.pk}" not in operator.get(address).content.decode()
    assert listed(tenant__id__exact=str(mallory.tenant.pk)) == [mallory.tenant.name]
    assert len(listed(tenant__id__exact="nothing")) == 2


def test_a_key_is_revoked_on_its_page_by_whoever_may_change_keys(operator: Client, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get()
    form = {"action": "revoke", "_selected_action": str(key.pk)}
    stan = User.objects.create_user("stan@portal.example", "correct horse", is_staff=True)
    client_of(allow(stan, "tenants", "view_apikey")).post(reverse("admin:tenants_apikey_changelist"), form)
    assert api_keys.authenticate(alice.secret) is not None
    page = operator.get(reverse("admin:tenants_apikey_change", args=[key.pk])).content.decode()
    assert "Revoke this key" in page
    assert re.search(rf'name="_selected_action" value="{key.pk}"', page)
    operator.post(reverse("admin:tenants_apikey_changelist"), form)
    assert api_keys.authenticate(alice.secret) is None


def test_alerts_are_paused_by_what_they_say(operator: Client) -> None:
    assert "QueueOld: The first in the queue has waited 15 min 0 s." in text(
        operator.get(reverse("admin:operations_alerts"))
    )


def test_whoever_may_only_look_cancels_nothing(alice: Character) -> None:
    row = transcription(alice.tenant, Status.QUEUED)
    stan = User.objects.create_user("stan@portal.example", "correct horse", is_staff=True)
    address = reverse("admin:transcription_transcription_changelist")
    form = {"action": "cancel", "_selected_action": str(row.pk)}
    client_of(allow(stan, "transcription", "view_transcription")).post(address, form)
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.get().status == Status.QUEUED
    client_of(allow(stan, "transcription", "act_on_operations")).post(address, form)
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.get().status == Status.CANCELLED
