"""A directory makes, changes and ends memberships by SCIM; other tenants' people and the last owner stay."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from django.test import Client

from tenants import directory, scope
from tenants.models import (
    AllowedDomain,
    ApiKey,
    AuditEntry,
    DirectoryPerson,
    DirectoryToken,
    Member,
    Role,
    Tenant,
    User,
)
from tests.conftest import Character, create_member
from tests.portal.web.conftest import signed_in

pytestmark = pytest.mark.django_db
BASE = "/scim/v2"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Directory:
    """Acme's directory, with a token."""

    def __init__(self, owner: Character) -> None:
        with scope.bound(owner.tenant.id):
            AllowedDomain.objects.create(
                tenant=owner.tenant, domain=owner.user.email.rpartition("@")[2], by_provider=True
            )
            self.token, self.secret = directory.make_token(owner.actor, "Okta")

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return Client().generic(
            method,
            f"{BASE}{path}",
            json.dumps(body) if body is not None else "",
            "application/scim+json",
            headers={"Authorization": f"Bearer {self.secret}"} | headers,
        )

    def create(self, email: str, **more: Any) -> Any:
        return self("POST", "/Users", {"schemas": [CORE], "userName": email, **more})

    def patch(self, person_id: str, *operations: dict[str, Any]) -> Any:
        return self("PATCH", f"/Users/{person_id}", {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def acme_directory(alice: Character) -> Directory:
    return Directory(alice)


@pytest.fixture
def as_alice(alice: Character) -> Client:
    return signed_in(Client(), alice)


def told(tenant: Tenant, action: str) -> list[AuditEntry]:
    with scope.bound(tenant.id):
        return list(AuditEntry.objects.filter(action=action).order_by("id"))


@pytest.fixture
def addresses_of_acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """scim2-tester's random names and addresses are of Acme's domain: of any other nobody may come."""
    from scim2_tester import checkers, filling

    made = filling.generate_random_value

    def ours(context: Any, path: Any, **more: Any) -> Any:
        if str(path).rpartition(":")[2] in ("userName", "emails.value"):
            return f"{uuid4()}@acme.example"
        value = made(context, path, **more)
        if str(path).endswith("emails") and value:
            for one in value:
                one.value = f"{uuid4()}@acme.example"
        return value

    for module in (filling, checkers.patch_add, checkers.patch_replace):
        if hasattr(module, "generate_random_value"):
            monkeypatch.setattr(module, "generate_random_value", ours)


def test_scim2_tester_finds_nothing_wrong(acme_directory: Directory, addresses_of_acme: None) -> None:
    # Its models take five seconds to import, which each process that collects the tests would spend.
    from scim2_client.engines.httpx2 import SyncSCIMClient
    from scim2_tester import Status, check_server

    def handle(request: httpx2.Request) -> httpx2.Response:
        answer = Client().generic(
            request.method,
            request.url.raw_path.decode(),
            request.content,
            request.headers.get("content-type", ""),
            headers=dict(request.headers.items()),
        )
        return httpx2.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)

    http = httpx2.Client(
        base_url=f"http://localhost{BASE}",
        transport=httpx2.MockTransport(handle),
        headers={"Authorization": f"Bearer {acme_directory.secret}"},
    )
    results = check_server(SyncSCIMClient(http))
    wrong = [(one.title, one.reason) for one in results if one.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert wrong == []
    assert len([one for one in results if one.status == Status.SUCCESS]) > 30


class TestWhoComes:
    def test_as_okta_and_entra_say_it(self, acme_directory: Directory, alice: Character) -> None:
        made = acme_directory.create(
            "Carol@ACME.example",
            schemas=[CORE, ENTERPRISE],
            externalId="00u1",
            name={"givenName": "Carol", "familyName": "Chen"},
            emails=[{"value": "carol@acme.example", "type": "work", "primary": True}],
            active=True,
            title="Clerk",
            password="of no interest",
            **{ENTERPRISE: {"department": "Sales"}},
        )
        assert made.status_code == 201, made.content
        carol = Member.objects.get(user__email="carol@acme.example")
        assert (carol.role, str(carol.user), carol.user.has_usable_password()) == ("viewer", "Carol Chen", False)
        found = acme_directory("GET", '/Users?filter=userName eq "carol@acme.EXAMPLE"').json()
        assert [one["id"] for one in found["Resources"]] == [made.json()["id"]]
        assert "Sales" not in str(found)
        person = made.json()["id"]
        entra = {"op": "Replace", "path": "active", "value": "False"}
        assert acme_directory.patch(person, entra).status_code == 204
        assert acme_directory("GET", f"/Users/{person}").json()["active"] is False
        assert not Member.objects.filter(user=carol.user).exists()
        okta = {"op": "replace", "value": {"active": True, "roles": [{"value": "Admin"}]}}
        assert acme_directory.patch(person, okta).status_code == 204
        assert acme_directory("GET", f"/Users/{person}").json()["active"] is True
        assert Member.objects.get(user=carol.user).role == Role.ADMIN
        again = {"op": "Add", "path": 'emails[type eq "work"].value', "value": "carol.ng@acme.example"}
        assert acme_directory.patch(person, again).status_code == 204
        assert User.objects.get(pk=carol.user.pk).email == "carol.ng@acme.example"
        [added, _again] = told(alice.tenant, "member.added")
        assert (added.actor_kind, added.actor_name) == ("scim", "Okta")
        assert acme_directory("DELETE", f"/Users/{person}").status_code == 204
        assert not Member.objects.filter(user=carol.user).exists()
        assert acme_directory("GET", f"/Users/{person}").status_code == 404

    def test_members_who_are_there_are_taken_over(self, acme_directory: Directory, bob: Character) -> None:
        made = acme_directory.create("bob@acme.example", roles=[{"value": "editor"}])
        assert made.status_code == 201
        assert Member.objects.get(pk=bob.member.pk).role == Role.EDITOR
        assert acme_directory.create("BOB@acme.example").status_code == 409
        twice = acme_directory.create("robert@acme.example", emails=[{"value": "bob@acme.example"}])
        assert twice.status_code == 409

    def test_pages_and_filters(self, acme_directory: Directory) -> None:
        for number in range(5):
            acme_directory.create(f"p{number}@acme.example", externalId=str(number), active=number % 2 == 0)
        page = acme_directory("GET", "/Users?startIndex=2&count=2").json()
        assert (page["totalResults"], [one["userName"][:2] for one in page["Resources"]]) == (5, ["p1", "p2"])
        for query, wanted in (
            ('externalId eq "3"', ["p3"]),
            ("active eq false", ["p1", "p3"]),
            ('userName sw "P4" or externalId eq "0"', ["p0", "p4"]),
        ):
            found = acme_directory("GET", f"/Users?filter={query}").json()
            assert [one["userName"][:2] for one in found["Resources"]] == wanted, query
        assert acme_directory("GET", "/Users?filter=userName near").status_code == 400


class TestWhoGoes:
    def test_sessions_keys_and_links_end(self, acme_directory: Directory, alice: Character, bob: Character) -> None:
        browser = signed_in(Client(), bob)
        browser.post("/accounts/logout/")
        browser.post("/accounts/login/", {"login": "bob@acme.example", "password": "correct horse"})
        assert browser.get("/people/").status_code == 200
        person = acme_directory.create("bob@acme.example").json()["id"]
        assert acme_directory.patch(person, {"op": "replace", "path": "active", "value": False}).status_code == 204
        assert browser.get("/people/")["Location"].startswith("/accounts/login/")
        with scope.bound(alice.tenant.id):
            assert not ApiKey.objects.filter(created_by=bob.user, revoked_at=None).exists()
        [removed] = told(alice.tenant, "member.removed")
        assert removed.actor_kind == "scim"

    def test_the_last_owner_stays(self, acme_directory: Directory, alice: Character) -> None:
        person = acme_directory.create("alice@acme.example", roles=[{"value": "viewer"}]).json()["id"]
        for answer in (
            acme_directory.patch(person, {"op": "replace", "path": "active", "value": False}),
            acme_directory("DELETE", f"/Users/{person}"),
        ):
            assert answer.status_code == 403
            assert "only owner" in answer.json()["detail"]
        assert Member.objects.get(user=alice.user).role == Role.OWNER
        assert acme_directory("GET", f"/Users/{person}").json()["active"] is True

    def test_whom_the_portal_removed_is_not_active(self, acme_directory: Directory, bob: Character) -> None:
        person = acme_directory.create("bob@acme.example").json()["id"]
        Member.objects.filter(pk=bob.member.pk).delete()
        assert acme_directory("GET", f"/Users/{person}").json()["active"] is False


class TestWhoIsOutOfReach:
    @pytest.mark.parametrize(
        ("email", "status"),
        [
            ("dora@evil.example", 400),
            ("dora", 400),
            ("x@acme.example@evil.example", 400),
            ("eve@acme.example", 409),
            ("olivia@acme.example", 409),
        ],
    )
    def test_strangers(self, email: str, status: int, acme_directory: Directory, mallory: Character) -> None:
        create_member(mallory.tenant, "eve@acme.example", Role.EDITOR)
        User.objects.create_superuser("olivia@acme.example", "correct horse")
        before = set(Member.objects.values_list("pk", "role"))
        assert acme_directory.create(email).status_code == status
        assert set(Member.objects.values_list("pk", "role")) == before
        with scope.across_tenants("this test"):
            assert not DirectoryPerson.objects.exists()

    def test_an_account_of_two_organisations_keeps_its_address_and_sessions(
        self, acme_directory: Directory, bob: Character, mallory: Character
    ) -> None:
        Member.objects.create(tenant=mallory.tenant, user=bob.user, role=Role.VIEWER)
        browser = Client()
        browser.post("/accounts/login/", {"login": "bob@acme.example", "password": "correct horse"})
        person = acme_directory.create("bob@acme.example", name={"givenName": "Bert"}).json()["id"]
        renamed = acme_directory.patch(person, {"op": "replace", "path": "userName", "value": "bert@acme.example"})
        assert renamed.status_code == 409
        assert acme_directory("DELETE", f"/Users/{person}").status_code == 204
        assert browser.get("/people/").status_code == 200
        assert list(Member.objects.filter(user=bob.user).values_list("tenant", flat=True)) == [mallory.tenant.pk]
        assert User.objects.get(pk=bob.user.pk).email == "bob@acme.example"

    def test_each_directory_sees_its_own_people(
        self, acme_directory: Directory, alice: Character, mallory: Character
    ) -> None:
        evil = Directory(mallory)
        person = acme_directory.create("carol@acme.example").json()["id"]
        assert evil("GET", "/Users").json()["totalResults"] == 0
        off = {"op": "replace", "path": "active", "value": False}
        for answer in (
            evil("GET", f"/Users/{person}"),
            evil.patch(person, off),
            evil("PUT", f"/Users/{person}", {"schemas": [CORE], "userName": "x@evil.example"}),
            evil("DELETE", f"/Users/{person}"),
        ):
            assert answer.status_code == 404
        assert Member.objects.filter(user__email="carol@acme.example", tenant=alice.tenant).exists()


class TestTokens:
    def test_a_token_opens_scim_and_nothing_else_opens_it(
        self, acme_directory: Directory, alice: Character, as_alice: Client
    ) -> None:
        for headers in ({}, {"Authorization": f"Bearer {alice.secret}"}, {"Authorization": "Bearer wpd_x"}):
            answer = as_alice.get(f"{BASE}/Users", headers=headers)
            assert answer.status_code == 401
            assert answer["Content-Type"] == "application/scim+json"
            assert "Bearer" in answer["WWW-Authenticate"]
        for address in ("/api/v1/recordings", "/v1/models"):
            answer = Client().get(address, headers={"Authorization": f"Bearer {acme_directory.secret}"})
            assert answer.status_code == 401

    def test_it_is_shown_once_and_revoked_at_once(self, alice: Character, as_alice: Client) -> None:
        assert as_alice.post("/people/directory/", {"name": "Entra"})["Location"].startswith("/accounts/again/")
        as_alice.post("/accounts/again/", {"password": "correct horse"})
        page = as_alice.post("/people/directory/", {"name": "Entra"}).content.decode()
        secret = page[page.index("wpd_") :].partition("<")[0]
        with scope.bound(alice.tenant.id):
            row = DirectoryToken.objects.get()
        assert secret not in str(row.__dict__)
        assert secret not in as_alice.get("/people/directory/").content.decode()
        ask = {"Authorization": f"Bearer {secret}"}
        assert Client().get(f"{BASE}/Users", headers=ask).status_code == 200
        assert as_alice.post(f"/people/directory/{row.id}/revoke/").status_code == 302
        assert Client().get(f"{BASE}/Users", headers=ask).status_code == 401
        assert [one.details for one in told(alice.tenant, "directory.token_made")] == [{"name": "Entra"}]
        assert told(alice.tenant, "directory.token_revoked")

    def test_of_a_tenant_or_portal_that_is_switched_off_it_opens_nothing(
        self, acme_directory: Directory, alice: Character, settings: Any
    ) -> None:
        settings.SINGLE_SIGN_ON = False
        assert acme_directory("GET", "/Users").status_code == 401
        settings.SINGLE_SIGN_ON = True
        Tenant.objects.filter(pk=alice.tenant.pk).update(is_active=False)
        assert acme_directory("GET", "/Users").status_code == 401

    def test_junk_is_answered_in_scim_s_words(self, acme_directory: Directory) -> None:
        for method, path, body in (
            ("POST", "/Users", "{"),
            ("POST", "/Users", "[]"),
            ("POST", "/Users", json.dumps({"schemas": [CORE]})),
            ("POST", "/Users", json.dumps({"schemas": [CORE], "userName": "a\x00@acme.example" + "x" * 400})),
            ("PATCH", f"/Users/{uuid4()}", json.dumps({"schemas": [PATCH], "Operations": []})),
            ("GET", "/Users/nobody", ""),
            ("GET", "/Nothing", ""),
            ("PUT", "/Users", ""),
            ("POST", "/Bulk", "{}"),
        ):
            answer = Client().generic(
                method,
                f"{BASE}{path}",
                body,
                "application/scim+json",
                headers={"Authorization": f"Bearer {acme_directory.secret}"},
            )
            assert 400 <= answer.status_code < 500 or answer.status_code == 501, (method, path, answer.content)
            assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
