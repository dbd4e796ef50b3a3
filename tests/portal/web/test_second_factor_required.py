"""Second factors that an organisation requires of its members, and the operator of operators; and resets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from portal.http.authentication import renewed
from portal.http.sessions import actor_of_session
from portal.web.urls import urlpatterns
from tenants import scope
from tenants.models import AuditEntry, Member, Tenant, User
from tenants.session_access import SecondFactorMissing
from tests.conftest import Character, create_member, create_tenant
from tests.portal.web.conftest import Mailed, Make, signed_in

pytestmark = pytest.mark.django_db
SECURITY, RULE = "/accounts/security/", "/people/second-factor/"
TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename YS5tcDM="}
# What shows nobody's data, or leads on.
OPEN = {
    "home": 302,
    "tenant": 404,
    "end_support": 302,
    "receipts": 200,
    "set_language": 302,
    "swagger": 200,
    "redoc": 200,
}


def give_factor(user: User) -> Authenticator:
    row: Authenticator = Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    return row


def require_now(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(second_factor_from=timezone.now())


def told(who: Character, action: str) -> list[dict[str, Any]]:
    with scope.bound(who.tenant.id):
        return [row.details for row in AuditEntry.objects.filter(action=action)]


class TestOfMembers:
    def test_a_session_that_is_open_reaches_nothing_from_now_on(
        self, as_alice: Client, alice: Character, make: Make
    ) -> None:
        secret = "Board meeting of Acme"
        make(alice.tenant, f"{secret}.mp3")
        require_now(alice.tenant)
        for one in urlpatterns:
            values = {"index": 0, "format": "txt", "notice_id": 1, "announcement_id": 1, "member_id": alice.member.pk}
            arguments = {name: values.get(name, UUID(int=7)) for name in one.pattern.converters}
            address = reverse(f"web:{one.name}", kwargs=arguments)
            for method in ("GET", "POST"):
                answer = as_alice.generic(method, address, headers={"X-Page-Tenant": str(alice.tenant.id)})
                if answer.status_code == 405 or str(one.name) in OPEN:
                    assert answer.status_code in (405, OPEN.get(str(one.name))), address
                else:
                    assert (answer.status_code, answer.get("Location")) == (302, SECURITY), address
                assert secret.encode() not in answer.content
            said = as_alice.get(address, headers={"X-Requested-With": "XMLHttpRequest"})
            assert said.status_code in (403, 405, OPEN.get(str(one.name))), address
        creating = as_alice.post("/api/v1/uploads", headers=TUS)
        assert creating.status_code == 403
        assert "two-factor" in creating.json()["detail"]

    def test_nor_does_a_socket_that_it_opened(self, as_alice: Client, alice: Character) -> None:
        key = as_alice.session.session_key
        assert actor_of_session(key) is not None
        scope_of = {
            "type": "websocket",
            "path": "/ws/",
            "headers": [(b"cookie", f"sessionid={key}".encode())],
            "query_string": f"tenant={alice.tenant.id}".encode(),
        }
        assert renewed(scope_of) is not None
        require_now(alice.tenant)
        assert renewed(scope_of) is None
        with pytest.raises(SecondFactorMissing):
            actor_of_session(key)

    def test_it_says_who_requires_it_and_a_factor_opens_again(self, as_alice: Client, alice: Character) -> None:
        require_now(alice.tenant)
        page = as_alice.get("/", follow=True)
        assert page.redirect_chain[-1][0] == SECURITY
        assert "Acme requires two-factor authentication. Add a passkey" in page.content.decode()
        assert "/people/" not in page.content.decode()
        give_factor(alice.user)
        assert as_alice.get("/recordings/").status_code == 200

    def test_keys_and_other_organisations_go_on(self, as_alice: Client, alice: Character) -> None:
        second = create_tenant("Second")
        Member.objects.create(tenant=second, user=alice.user, role="viewer")
        require_now(alice.tenant)
        assert Client().get("/api/v1/recordings", headers=alice.bearer).status_code == 200
        assert as_alice.get("/recordings/").status_code == 302
        as_alice.post("/tenant/", {"tenant": str(second.id)})
        assert as_alice.get("/recordings/").status_code == 200

    def test_until_the_day_pages_say_it_and_open(self, as_alice: Client, alice: Character, bob: Character) -> None:
        give_factor(alice.user)
        as_alice.post(RULE, {"days": "7"})
        client = signed_in(Client(), bob)
        assert "requires two-factor authentication from" in client.get("/recordings/").content.decode()
        assert "requires two-factor" not in as_alice.get("/recordings/").content.decode()
        with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
            assert client.get("/recordings/")["Location"] == SECURITY
        as_alice.post(RULE, {"days": "free"})
        with time_machine.travel(timezone.now() + timedelta(days=8)):
            assert client.get("/recordings/").status_code == 200
        assert [bool(one["second_factor_from"]) for one in told(alice, "tenant.changed")] == [False, True]

    def test_who_requires_it_has_one(self, as_alice: Client, alice: Character) -> None:
        answer = as_alice.post(RULE, {"days": "0"}, follow=True)
        assert "Set up your own second factor first." in answer.content.decode()
        alice.tenant.refresh_from_db()
        assert alice.tenant.second_factor_from is None

    def test_who_needs_one_keeps_the_last(self, as_alice: Client, alice: Character) -> None:
        give_factor(alice.user)
        require_now(alice.tenant)
        answer = as_alice.post(f"{SECURITY}app/remove/", follow=True)
        assert "Add another one first" in answer.content.decode()
        assert Authenticator.objects.filter(user=alice.user).exists()


class TestResets:
    def test_an_owner_sees_who_has_one_and_resets_it(
        self, as_alice: Client, alice: Character, bob: Character, mailed: Mailed
    ) -> None:
        give_factor(bob.user)
        client = Client()
        client.force_login(bob.user)
        client.get("/recordings/")
        page = as_alice.get("/people/").content.decode()
        assert page.count("Reset second factor</button>") == 1
        assert page.count("With a second factor") == 1
        as_alice.post(f"/people/{bob.member.pk}/second-factor/reset/")
        assert not Authenticator.objects.exists()
        assert client.get("/recordings/").status_code == 302, "signed out"
        [said] = mailed("were reset")
        assert said.startswith(bob.user.email)
        assert told(alice, "member.factors_reset") == [{"email": bob.user.email}]

    def test_not_of_whom_others_trust_too(self, mallory: Character, alice: Character, bob: Character) -> None:
        """Mallory lets Alice join her organisation, which makes her no master of Alice's account."""
        client = signed_in(Client(), mallory)
        operator = create_member(mallory.tenant, "olivia@portal.example", "viewer")
        User.objects.filter(pk=operator.user.pk).update(is_staff=True)
        joined = Member.objects.create(tenant=mallory.tenant, user=alice.user, role="viewer")
        for member in (joined, operator.member, bob.member):
            give_factor(member.user)
            answer = client.post(f"/people/{member.pk}/second-factor/reset/")
            assert answer.status_code == (404 if member == bob.member else 302)
        assert Authenticator.objects.count() == 3

    def test_operators_do_in_the_admin(self, alice: Character, bob: Character, client: Client) -> None:
        client.force_login(User.objects.create_superuser("olivia@portal.example", "correct horse"))
        give_factor(alice.user)
        form = {"action": "reset_second_factors", "_selected_action": [alice.user.pk, bob.user.pk]}
        assert client.post("/admin/tenants/user/", form).status_code == 302
        assert not Authenticator.objects.exists()
        assert len(told(alice, "member.factors_reset")) == 1
        assert client.get("/admin/tenants/user/").status_code == 200
        assert client.get("/admin/mfa/authenticator/").status_code == 404


@override_settings(OPERATOR_SECOND_FACTOR=True)
def test_the_admin_opens_to_operators_with_one(client: Client) -> None:
    olivia = User.objects.create_superuser("olivia@portal.example", "correct horse")
    form = {"login": olivia.email, "password": "correct horse"}
    assert client.post("/accounts/login/?next=/admin/", form)["Location"] == "/admin/"
    for address in ("/admin/", "/admin/tenants/user/", "/admin/operations/", "/admin/jsi18n/", "/admin/login/"):
        for ask in (client.get, client.post):
            answer = ask(address, follow=True)
            assert answer.redirect_chain[-1][0] == SECURITY, address
            assert "requires two-factor authentication of operators" in answer.content.decode()
    client.post("/admin/login/", {"username": olivia.email, "password": "correct horse"})
    assert client.get("/admin/").status_code == 302
    give_factor(olivia)
    assert client.get("/admin/").status_code == 200
    assert client.post(f"{SECURITY}app/remove/").status_code == 302
    assert Authenticator.objects.exists()
