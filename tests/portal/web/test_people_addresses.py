"""The networks from which an organisation lets its people in."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client

from portal.http.authentication import renewed
from portal.http.sessions import actor_of_session
from tenants import scope
from tenants.models import AuditEntry, Member, Tenant, User
from tenants.session_access import AddressRefused
from tests.conftest import Character, create_tenant
from tests.portal.ops.test_audit import form_of, save
from tests.portal.web.conftest import Make, act_for, signed_in

pytestmark = pytest.mark.django_db
CHOICE, OFFICE, CAFE = "/preferences/addresses/", "203.0.113.9", "198.51.100.7"
TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename YS5tcDM="}


def only_from_office(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(people_addresses=["203.0.113.0/24"])


def networks_of(tenant: Tenant) -> list[str]:
    return list(Tenant.objects.get(pk=tenant.pk).people_addresses)


def actions_of(tenant: Tenant) -> list[str]:
    with scope.bound(tenant.id):
        return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.fixture
def from_cafe(alice: Character, bob: Character) -> Client:
    """Bob's browser, elsewhere than in the office."""
    only_from_office(alice.tenant)
    return signed_in(Client(REMOTE_ADDR=CAFE), bob)


class TestChoosing:
    def test_an_owner_chooses_networks_that_have_the_own_address(self, alice: Character) -> None:
        client = signed_in(Client(REMOTE_ADDR=OFFICE), alice)
        given = {"people_addresses": "203.0.113.9/24\n2001:db8::/32, 203.0.113.0/24"}
        assert client.post(CHOICE, given).status_code == 302
        assert networks_of(alice.tenant) == ["203.0.113.0/24", "2001:db8::/32"]
        assert "203.0.113.0/24\n2001:db8::/32" in client.get("/preferences/").content.decode()
        with scope.bound(alice.tenant.id):
            told = AuditEntry.objects.get(action="preferences.changed").details
        assert told["networks"] == ["203.0.113.0/24", "2001:db8::/32"]

    @pytest.mark.parametrize(
        ("given", "reason"),
        [("198.51.100.0/24", "you would lock yourself out"), ("our office", "is not an IP address")],
    )
    def test_nobody_locks_themselves_out_or_mistypes(self, alice: Character, given: str, reason: str) -> None:
        client = signed_in(Client(REMOTE_ADDR=OFFICE), alice)
        answer = client.post(CHOICE, {"people_addresses": given})
        assert reason in answer.content.decode()
        assert networks_of(alice.tenant) == []

    def test_operators_open_it_again_in_the_admin_and_on_the_command_line(
        self, from_cafe: Client, alice: Character, bob: Character
    ) -> None:
        operator = Client()
        operator.force_login(User.objects.create_superuser("olivia@portal.example", "correct horse"))
        people = ((alice.member, "owner"), (bob.member, "viewer"))
        save(operator, bob.tenant, form_of(bob.tenant, *people, people_addresses=""))
        assert networks_of(bob.tenant) == []
        only_from_office(bob.tenant)
        call_command("tenant", "allow-any-address", str(bob.tenant.pk))
        assert from_cafe.get("/recordings/").status_code == 200
        assert actions_of(bob.tenant) == ["tenant.changed", "preferences.changed"]


class TestComingFromElsewhere:
    def test_pages_media_exports_and_uploads_say_why_and_whom_to_ask(
        self, from_cafe: Client, bob: Character, make: Make
    ) -> None:
        row = make(bob.tenant)
        for address in (
            "/recordings/",
            f"/recordings/{row.recording_id}/",
            f"/recordings/{row.recording_id}/media",
            f"/transcriptions/{row.id}/download.txt",
            "/accounts/security/",
            "/accounts/security/app/",
        ):
            answer = from_cafe.get(address)
            assert answer.status_code == 403, address
            assert f"{CAFE} is in none of them" in answer.content.decode(), address
            assert "ask an owner of Acme" in answer.content.decode()
            assert "203.0.113" not in answer.content.decode()
        creating = from_cafe.post("/api/v1/uploads", headers=TUS)
        assert (creating.status_code, creating.json()["code"]) == (403, "address_not_allowed")
        assert from_cafe.get("/accounts/devices/").status_code == 200, "a stolen device can be signed out"
        assert actions_of(bob.tenant).count("member.address_refused") == 1

    def test_an_open_socket_ends_and_none_begins(self, bob: Character, alice: Character) -> None:
        client = signed_in(Client(), bob)
        opened = {
            "type": "websocket",
            "path": "/ws/",
            "client": (CAFE, 1),
            "headers": [(b"cookie", f"sessionid={client.session.session_key}".encode())],
            "query_string": f"tenant={bob.tenant.id}".encode(),
        }
        assert renewed(opened) is not None
        only_from_office(bob.tenant)
        assert renewed(opened) is None
        with pytest.raises(AddressRefused):
            actor_of_session(client.session.session_key, address=CAFE)
        with pytest.raises(AddressRefused):
            actor_of_session(client.session.session_key)  # as over a Unix socket

    def test_the_office_keys_and_other_organisations_go_on(
        self, from_cafe: Client, bob: Character, alice: Character
    ) -> None:
        assert signed_in(Client(REMOTE_ADDR=f"::ffff:{OFFICE}"), bob).get("/recordings/").status_code == 200
        assert Client(REMOTE_ADDR=CAFE).get("/api/v1/recordings", headers=alice.bearer).status_code == 200
        second = create_tenant("Second")
        Member.objects.create(tenant=second, user=bob.user, role="viewer")
        assert "Second" in from_cafe.get("/recordings/").content.decode(), "the one that lets him in"
        assert from_cafe.get("/accounts/security/").status_code == 200
        from_cafe.post("/tenant/", {"tenant": str(bob.tenant.id)})
        refused = from_cafe.get("/recordings/")
        assert refused.status_code == 403
        assert "Switch to Second" in refused.content.decode()

    def test_an_operator_who_acts_for_a_member_comes_from_anywhere(
        self, client: Client, alice: Character, make: Make
    ) -> None:
        make(alice.tenant)
        only_from_office(alice.tenant)
        act_for(client, alice.member)
        assert "Board meeting" in client.get("/recordings/").content.decode()
        assert client.post(CHOICE, {"people_addresses": ""}).status_code == 403
