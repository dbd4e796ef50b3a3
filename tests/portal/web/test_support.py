"""Olivia, an operator, acts for Alice to help her: with a reason, for half an hour, and Acme reads what she did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.http.sessions import actor_of_session
from tenants import account_mails, members, scope, support
from tenants.models import AuditEntry, Member, Role, SupportVisit, Tenant, User
from tests.conftest import Character, create_member
from tests.portal.web.conftest import Make, act_for, has_confirmed
from transcription.folders import folders
from transcription.models import Recording

pytestmark = pytest.mark.django_db
BANNER = "You act for alice@acme.example of Acme"


def told(tenant: Tenant) -> list[tuple[str, str, dict[str, Any]]]:
    with scope.bound(tenant.id):
        return [(row.action, row.actor_name, row.details) for row in AuditEntry.objects.order_by("id")]


def entries(tenant: Tenant, action: str) -> list[tuple[str, str, dict[str, Any]]]:
    with scope.bound(tenant.id):
        return [(row.actor_kind, row.actor_name, row.details) for row in AuditEntry.objects.filter(action=action)]


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


@pytest.mark.parametrize("how", ["time", "tenant", "operator", "right", "factor", "account", "colleague", "sign-out"])
def test_it_ends(how: str, client: Client, alice: Character) -> None:
    olivia = act_for(client, alice.member)
    key = client.session.session_key
    with time_machine.travel(timezone.now() + timedelta(minutes=31 if how == "time" else 1), tick=False):
        if how == "tenant":
            Tenant.objects.filter(pk=alice.tenant.pk).update(bars_support=True)
        if how == "operator":
            User.objects.filter(pk=olivia.pk).update(is_staff=False)
        if how == "right":
            User.objects.filter(pk=olivia.pk).update(is_superuser=False)
        if how == "factor":
            Authenticator.objects.all().delete()
        if how == "account":
            olivia.delete()
        if how == "colleague":
            oscar = Client()
            oscar.force_login(User.objects.create_superuser("oscar@portal.example", "correct horse"))
            form = {"action": "end", "_selected_action": [visits()[0].pk]}
            assert oscar.post(reverse("admin:tenants_supportvisit_changelist"), form).status_code == 302
            assert LogEntry.objects.get(change_message="Ended.").object_id == str(visits()[0].pk)
        if how == "sign-out":
            client.post("/accounts/logout/")
        assert actor_of_session(key) is None
        assert support.end_due() == (0 if how in ("colleague", "sign-out") else 1)
    [(kind, who, details)] = entries(alice.tenant, "support.ended")
    by_her = ("support", "operator olivia@portal.example for member alice@acme.example")
    by = {"colleague": ("operator", "oscar@portal.example"), "sign-out": by_her}
    assert (kind, who) == by.get(how, ("system", ""))
    assert (details["operator"], details["member"]) == ("olivia@portal.example", "alice@acme.example")


def test_what_ended_is_forgotten_with_the_audit_log(client: Client, alice: Character, settings: Any) -> None:
    act_for(client, alice.member)
    client.post("/support/end/")
    with time_machine.travel(timezone.now() + timedelta(days=settings.AUDIT_RETENTION_DAYS - 1)):
        assert support.forget_old() == 0
    with time_machine.travel(timezone.now() + timedelta(days=settings.AUDIT_RETENTION_DAYS + 1)):
        assert support.forget_old() == 1
    assert visits() == []


@pytest.mark.parametrize("why", ["operator", "tenant", "factor", "right", "reason", "colleague", "asked"])
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
    if why == "colleague":
        Member.objects.create(tenant=alice.tenant, user=olivia, role=Role.VIEWER)
    client.force_login(olivia)
    if why != "asked":
        has_confirmed(client)
    reason = "" if why == "reason" else "Request 4711"
    answer = client.post(reverse("admin:tenants_member_act", args=[alice.member.pk]), {"reason": reason})
    assert answer.status_code == {"factor": 302, "asked": 302, "right": 403}.get(why, 200)
    assert visits() == []
    assert told(alice.tenant) == []


def test_a_visit_opens_one_tenant_and_no_other_session(
    client: Client, alice: Character, mallory: Character, make: Make
) -> None:
    make(alice.tenant)
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
    assert "Board meeting" in client.get("/recordings/").content.decode()
    assert "Board meeting" not in thief.get("/recordings/").content.decode()
    actor = actor_of_session(thief.session.session_key)
    assert actor is not None
    assert actor.tenant == mallory.tenant


def test_an_owner_keeps_support_out(client: Client, alice: Character) -> None:
    client.force_login(alice.user)
    assert "let support act for members" in client.get("/preferences/").content.decode()
    form = {"allows_sharing": "on", "bars_support": "on"}
    assert client.post("/preferences/access/", form).status_code == 302
    assert Tenant.objects.get(pk=alice.tenant.pk).bars_support


def test_owners_are_mailed_and_the_session_gets_a_new_key(
    client: Client,
    alice: Character,
    bob: Character,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account_mails, "send_soon", lambda message: message.send())
    with django_capture_on_commit_callbacks(execute=True):
        act_for(client, bob.member)
    [message] = mail.outbox
    assert (message.to, message.subject) == (["alice@acme.example"], "Support acts for a member of Acme")
    assert "bob@acme.example" in message.body
    assert "Request 4711" in message.body
    key = client.session.session_key
    client.post("/support/end/")
    assert client.session.session_key != key


def test_what_she_does_is_not_alices(client: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    act_for(client, alice.member)
    client.post(
        f"/transcriptions/{row.id}/segments/0/", {"text": "Good evening.", "revision": "0"}, headers={"If-Match": "*"}
    )
    assert "olivia@portal.example" in client.get(f"/transcriptions/{row.id}/history/").content.decode()
    client.post(f"/recordings/{row.recording_id}/delete/")
    assert "alice@acme.example (support)" in client.get("/bin/").content.decode()


class TestWhatIsTheMembersAlone:
    """Ways in, who sees what, and what nobody can undo."""

    def test_links_do_not_come_back_and_the_bin_keeps_its_days(self, client: Client, alice: Character) -> None:
        Tenant.objects.filter(pk=alice.tenant.pk).update(allows_sharing=False)
        act_for(client, alice.member)
        assert "let support act for members" not in client.get("/preferences/").content.decode()
        assert client.post("/preferences/access/", {"allows_sharing": "on"}).status_code == 403
        form = {"default_mode": "exact", "speakers": "off", "allows_sharing": "on", "bin_days": "0"}
        assert client.post("/preferences/", form).status_code == 302
        now = Tenant.objects.get(pk=alice.tenant.pk)
        assert (now.default_mode, now.allows_sharing, now.bin_days) == ("exact", False, 30)

    def test_nobody_sees_more_by_her(self, client: Client, alice: Character, bob: Character, make: Make) -> None:
        row = make(alice.tenant)
        with scope.bound(alice.tenant.id):
            board = folders.create(alice.actor, "Board", restricted=True)
            Recording.objects.update(folder=board)
        act_for(client, alice.member)
        page = f"/folders/{board.id}/"
        assert client.post(page, {"name": "Board", "access": "open"}).status_code == 403
        assert client.post(f"{page}members/", {"email": bob.user.email, "role": "viewer"}).status_code == 403
        assert client.post(f"/recordings/{row.recording_id}/folder/", {"folder": "none"}).status_code == 403
        assert client.post(page, {"name": "Boards", "access": "restricted"}).status_code == 302
        with scope.bound(alice.tenant.id):
            board.refresh_from_db()
            assert (board.name, board.restricted) == ("Boards", True)
            assert list(folders.members(alice.actor, board.id).values_list("member", flat=True)) == [alice.member.pk]
            assert Recording.objects.get().folder == board

    def test_what_is_in_the_bin_stays(self, client: Client, alice: Character, make: Make) -> None:
        row = make(alice.tenant)
        act_for(client, alice.member)
        client.post(f"/recordings/{row.recording_id}/delete/")
        page = client.get("/bin/").content.decode()
        assert "Bring back" in page
        assert "erase" not in page.lower().replace("then it is erased", "").replace("will be erased", "")
        assert client.post("/bin/").status_code == 403
        assert client.post(f"/bin/{row.recording_id}/erase/").status_code == 403
        assert client.post(f"/recordings/{row.recording_id}/restore/").status_code == 302
