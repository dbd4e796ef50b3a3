"""Olivia, an operator, acts for Alice to help her: with a reason, for half an hour, and Acme reads what she did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.http.sessions import actor_of_session
from tenants import members, scope, support
from tenants.models import AuditEntry, Member, Role, SupportVisit, Tenant, User
from tests.conftest import Character, create_member
from tests.portal.web.conftest import Make, act_for

pytestmark = pytest.mark.django_db
BANNER = "You act for alice@acme.example of Acme"


def told(tenant: Tenant) -> list[tuple[str, str, dict[str, Any]]]:
    with scope.bound(tenant.id):
        return [(row.action, row.actor_name, row.details) for row in AuditEntry.objects.order_by("id")]


def visits() -> list[SupportVisit]:
    with scope.across_tenants("the test asks for all"):
        return list(SupportVisit.objects.all())


def test_she_sees_what_alice_sees_under_a_banner_and_her_deeds_are_told(
    client: Client, alice: Character, make: Make
) -> None:
    row = make(alice.tenant)
    act_for(client, alice.member)
    page = client.get("/recordings/").content.decode()
    assert "Board meeting.mp3" in page
    assert BANNER in page
    assert "Request 4711" in page
    client.post(f"/recordings/{row.recording_id}/delete/")
    assert "operator olivia@portal.example for member alice@acme.example" in client.get("/audit/").content.decode()
    answer = client.post("/support/end/", follow=True)
    assert BANNER not in answer.content.decode()
    assert answer.redirect_chain[-1][0] == "/admin/"
    name = "operator olivia@portal.example for member alice@acme.example"
    deeds = [(action, who) for action, who, _details in told(alice.tenant)]
    assert deeds == [("support.began", name), ("recording.deleted", name), ("support.ended", name)]
    assert told(alice.tenant)[0][2]["reason"] == "Request 4711"
    assert client.get("/recordings/").status_code == 403
    assert "alice@acme.example" in client.get(reverse("admin:tenants_supportvisit_changelist")).content.decode()


def test_alices_account_and_the_administration_are_closed_meanwhile(client: Client, alice: Character) -> None:
    olivia = act_for(client, alice.member)
    before = User.objects.get(pk=alice.user.pk).password, User.objects.get(pk=olivia.pk).password
    for address in ("/accounts/password/change/", "/accounts/security/", "/accounts/devices/", "/admin/login/"):
        answer = client.post(address, {"oldpassword": "correct horse", "password1": "battery staple 7"})
        assert answer.status_code == 403, address
        assert BANNER in answer.content.decode()
    assert client.get("/admin/tenants/user/").status_code == 302
    assert before == (User.objects.get(pk=alice.user.pk).password, User.objects.get(pk=olivia.pk).password)
    actor = actor_of_session(client.session.session_key)
    assert actor is not None
    assert actor.is_support
    with pytest.raises(Exception, match="Only the member may do this"):
        members.remove(actor, alice.member.pk, "revoke")


@pytest.mark.parametrize("how", ["time", "tenant", "operator", "sign-out"])
def test_it_ends(how: str, client: Client, alice: Character) -> None:
    olivia = act_for(client, alice.member)
    key = client.session.session_key
    with time_machine.travel(timezone.now() + timedelta(minutes=31 if how == "time" else 1), tick=False):
        if how == "tenant":
            Tenant.objects.filter(pk=alice.tenant.pk).update(bars_support=True)
        if how == "operator":
            User.objects.filter(pk=olivia.pk).update(is_staff=False)
        if how == "sign-out":
            client.post("/accounts/logout/")
        assert actor_of_session(key) is None
        assert support.end_due() == (1 if how in ("time", "tenant") else 0)
    assert told(alice.tenant)[-1][0] == ("support.began" if how == "operator" else "support.ended")


@pytest.mark.parametrize("why", ["operator", "tenant", "factor", "right", "reason"])
def test_it_does_not_begin(why: str, client: Client, alice: Character) -> None:
    olivia = User.objects.create_superuser("olivia@portal.example", "correct horse")
    if why != "factor":
        Authenticator.objects.create(user=olivia, type="totp", data={"secret": "x"})
    if why == "right":
        User.objects.filter(pk=olivia.pk).update(is_superuser=False)
    if why == "tenant":
        Tenant.objects.filter(pk=alice.tenant.pk).update(bars_support=True)
    if why == "operator":
        User.objects.filter(pk=alice.user.pk).update(is_staff=True)
    client.force_login(olivia)
    reason = "" if why == "reason" else "Request 4711"
    answer = client.post(reverse("admin:tenants_member_act", args=[alice.member.pk]), {"reason": reason})
    assert answer.status_code == {"factor": 302, "right": 403}.get(why, 200)
    assert visits() == []
    assert told(alice.tenant) == []


def test_a_visit_opens_one_tenant_and_no_other_session(client: Client, alice: Character, mallory: Character) -> None:
    Member.objects.create(tenant=mallory.tenant, user=alice.user, role=Role.OWNER)
    olivia = act_for(client, alice.member)
    assert client.post("/tenant/", {"tenant": str(mallory.tenant.pk)}).status_code == 404
    other = Client()
    other.force_login(olivia)
    assert other.get("/recordings/").status_code == 403
    stranger = create_member(mallory.tenant, "peter@evil.example", Role.VIEWER)
    thief = Client()
    thief.force_login(stranger.user)
    session = thief.session
    session["support"] = str(visits()[0].pk)
    session.save()
    assert "Board meeting" not in thief.get("/recordings/").content.decode()
    actor = actor_of_session(thief.session.session_key)
    assert actor is not None
    assert actor.tenant == mallory.tenant


def test_an_owner_keeps_support_out(client: Client, alice: Character) -> None:
    client.force_login(alice.user)
    assert "Support may not enter" in client.get("/preferences/").content.decode()
    form = {"default_mode": "auto", "speakers": "off", "allows_sharing": "on", "bin_days": "30", "bars_support": "on"}
    assert client.post("/preferences/", form).status_code == 302
    assert Tenant.objects.get(pk=alice.tenant.pk).bars_support
