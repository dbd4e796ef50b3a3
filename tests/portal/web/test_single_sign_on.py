"""People sign in with their organisation's OpenID provider: what it opens, to whom, and what it never opens."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from joserfc import jws, jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import run_server_in_thread

from portal.http.sessions import actor_of_session, actors_of_sessions
from tenants import identity_providers, invitations, members, people, scope
from tenants.identity_providers import ProviderSettings
from tenants.models import (
    AllowedDomain,
    AuditEntry,
    Identity,
    IdentityProvider,
    Maintenance,
    Member,
    Role,
    Tenant,
    User,
)
from tests.conftest import Character, create_member, create_tenant
from tests.portal.web.conftest import Mailed, signed_in
from tests.provider import CLIENT, SECRET, Provider
from tests.receiver import listening
from transcription.outbound import json_calls

pytestmark = pytest.mark.django_db
PAGE = "/people/sign-in/"
CHOOSE = "/accounts/login/organisation/"
CAROL = {"sub": "c-1", "email": "carol@acme.example", "email_verified": True}


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["sign-in"]
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def domain(acme: Tenant) -> AllowedDomain:
    with scope.bound(acme.id):
        return AllowedDomain.objects.create(tenant=acme, domain="acme.example", by_provider=True)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with listening() as receiver:
        yield Provider(receiver, claims=dict(CAROL))


def keep(owner: Character, provider: Provider | str, **more: Any) -> IdentityProvider:
    issuer = provider if isinstance(provider, str) else provider.issuer
    with scope.bound(owner.tenant.id):
        return identity_providers.keep(owner.actor, ProviderSettings(issuer, CLIENT, SECRET, is_enabled=True, **more))


@pytest.fixture
def as_alice(as_alice: Client) -> Client:
    """Alice, who has just shown again that it is her."""
    assert as_alice.post("/accounts/again/", {"password": "correct horse"}).status_code == 302
    return as_alice


def begin(tenant: Tenant, client: Client, **query: str) -> Any:
    """Somebody follows the link of a page of the portal."""
    return client.get(f"{CHOOSE}{tenant.id}/", query, headers={"Sec-Fetch-Site": "same-origin"})


def arrive(tenant: Tenant, provider: Provider, client: Client | None = None, **answer: str) -> tuple[Any, Client]:
    """Somebody signs in at the provider, and comes back."""
    client = client or Client()
    there = begin(tenant, client)
    assert there.status_code == 302, there.content.decode()
    back = provider.authorized(there["Location"]) | answer
    return client.get(f"{CHOOSE}{tenant.id}/back/", back), client


def tenants_of(client: Client) -> list[str]:
    """The organisations that this browser reaches."""
    if "_auth_user_id" not in client.session:
        return []
    page = client.get("/people/").content.decode()
    found = re.findall(r'name="tenant" value="([^"]+)"', page) or re.findall(r'data-tenant="([^"]+)"', page)
    return [Tenant.objects.get(id=UUID(one)).name for one in found]


def why(answer: Any) -> str:
    assert answer.status_code == 403, answer
    [found] = re.findall(r'role="alert">.*?__body">(.*?)</div>', answer.content.decode(), re.DOTALL)
    return str(found)


def told(tenant: Tenant, action: str) -> list[dict[str, Any]]:
    with scope.bound(tenant.id):
        return [row.details for row in AuditEntry.objects.filter(action=action).order_by("id")]


class TestARealProvider:
    """oidc-provider-mock, on Authlib's server: what another's code understands of the standard."""

    def test_an_address_leads_to_it_and_back_as_a_member(
        self, alice: Character, domain: AllowedDomain, as_alice: Client
    ) -> None:
        with run_server_in_thread() as server:
            issuer = f"http://127.0.0.1:{server.server_port}"
            form = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET, "default_role": "editor"}
            form |= {"makes_members": "on", "is_enabled": "on", "role_claim": "groups", "roles": "bosses = admin"}
            assert as_alice.post(PAGE, form).status_code == 302
            assert "The provider answers, with 1 key." in as_alice.post(f"{PAGE}test/", follow=True).content.decode()
            claims = {"email": "Carol@ACME.example", "email_verified": True, "given_name": "Carol"}
            httpx.put(f"{issuer}/users/c-1", json=claims | {"groups": ["x", "bosses"]}).raise_for_status()
            browser = Client()
            assert CHOOSE in browser.get("/accounts/login/").content.decode()
            page = browser.post(CHOOSE, {"email": "carol@acme.example", "next": "/usage/"}).content.decode()
            assert "Sign in at 127.0.0.1" in page
            assert "Acme" not in page, "anybody may ask"
            [link] = re.findall(r'href="(/accounts/login/organisation/[^"]+)"', page)
            there = browser.get(link, headers={"Referer": "http://testserver/"})["Location"]
            assert parse_qs(urlsplit(there).query)["scope"] == ["openid email profile"]
            back = httpx.post(there, data={"sub": "c-1"}).headers["Location"]
            answer = browser.get(urlsplit(back).path, parse_qs(urlsplit(back).query))
        assert answer["Location"] == "/usage/"
        assert tenants_of(browser) == ["Acme"]
        carol = Member.objects.get(user__email="carol@acme.example")
        assert (carol.role, carol.user.first_name, carol.user.has_usable_password()) == ("admin", "Carol", False)
        [entry] = told(alice.tenant, "member.added")
        assert entry == {"email": "carol@acme.example", "role": "editor", "how": "provider"}
        assert told(alice.tenant, "member.signed_in") == [{"how": "provider"}]
        assert told(alice.tenant, "member.provider_tied")


class TestWhoComesIn:
    def test_who_is_known_comes_again_whatever_the_address_there(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        arrive(alice.tenant, provider)
        provider.claims = provider.userinfo = {"sub": "c-1"}
        _answer, browser = arrive(alice.tenant, provider)
        assert tenants_of(browser) == ["Acme"]
        assert User.objects.filter(email__startswith="carol").count() == 1

    def test_nobody_joins_in_maintenance_and_members_sign_in(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        Maintenance.objects.create(text_en="The disks are changed.", text_zh="正在更换磁盘。")
        assert "The disks are changed." in why(arrive(alice.tenant, provider)[0])
        assert not User.objects.filter(email__startswith="carol").exists()
        provider.claims |= {"email": "bob@acme.example"}
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]

    def test_a_member_keeps_role_and_account(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, makes_members=False)
        provider.claims |= {"email": "bob@acme.example"}
        _answer, browser = arrive(alice.tenant, provider)
        assert browser.session["_auth_user_id"] == str(bob.user.pk)
        assert Member.objects.get(user=bob.user).role == Role.VIEWER
        with scope.bound(alice.tenant.id):
            members.remove(alice.actor, bob.member.pk, "revoke")
            assert not Identity.objects.exists(), "the tie goes with the membership"
        assert "not a member" in why(arrive(alice.tenant, provider)[0])

    def test_roles_follow_the_claim_and_owners_keep_theirs(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, role_claim="groups", roles={"bosses": "admin", "typists": "editor"})
        for groups, role in ((["typists", "bosses"], "admin"), ("typists", "editor"), ([], "viewer"), (7, "viewer")):
            provider.claims = CAROL | {"groups": groups}
            arrive(alice.tenant, provider)
            assert Member.objects.get(user__email="carol@acme.example").role == role
        provider.claims |= {"sub": "a-1", "email": "alice@acme.example"}
        arrive(alice.tenant, provider)
        assert Member.objects.get(user=alice.user).role == Role.OWNER

    def test_what_a_token_leaves_out_is_asked_for(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        provider.claims, provider.userinfo = {"sub": "c-1"}, dict(CAROL)
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]
        provider.claims, provider.userinfo = {"sub": "d-1"}, dict(CAROL)
        assert "can’t be used at present (userinfo)" in why(arrive(alice.tenant, provider)[0])
        assert "two different people" in told(alice.tenant, "provider.refused")[-1]["said"]

    def test_who_was_removed_comes_back_by_an_invitation_only(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        provider.claims |= {"sub": "b-1", "email": "bob@acme.example"}
        with scope.bound(alice.tenant.id):
            members.remove(alice.actor, bob.member.pk, "revoke")
        assert "not a member" in why(arrive(alice.tenant, provider)[0])
        with scope.bound(alice.tenant.id):
            invitations.invite(alice.actor, [invitations.Invitee("bob@acme.example", Role.EDITOR)])
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]

    def test_an_owner_s_invitation_needs_its_link(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, is_required=True)
        with scope.bound(alice.tenant.id):
            [row] = invitations.invite(alice.actor, [invitations.Invitee("carol@acme.example", Role.OWNER)])
        assert "invited as an owner" in why(arrive(alice.tenant, provider)[0])
        browser = Client()
        page = browser.get(urlsplit(invitations.link(row)).path, follow=True).content.decode()
        assert 'name="password1"' in page, "owners keep a password"

    def test_an_issuer_of_many_is_asked_whose_account_it_is(
        self, alice: Character, domain: AllowedDomain, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(alice, provider, required_claim="tid = 7")
        provider.userinfo = dict(CAROL)
        for claims, comes in (({}, False), ({"tid": "8"}, False), ({"tid": 7}, True), ({"tid": ["1", "7"]}, True)):
            provider.claims = CAROL | claims
            answer, browser = arrive(alice.tenant, provider)
            assert tenants_of(browser) == (["Acme"] if comes else []), claims
            assert comes or "none of Acme" in why(answer)
        monkeypatch.setattr("tenants.provider_sign_ins.GOOGLE", provider.issuer)
        for workspace in (None, "evil.example"):
            provider.claims = CAROL | {"tid": 7, "hd": workspace}
            assert "none of Acme" in why(arrive(alice.tenant, provider)[0]), "at every sign-in"
        provider.claims = CAROL | {"tid": 7, "hd": "acme.example"}
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]

    def test_a_domain_for_mail_gives_the_provider_nothing(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        with scope.bound(alice.tenant.id):
            AllowedDomain.objects.update(by_provider=False)
        keep(alice, provider)
        assert "does not speak for" in why(arrive(alice.tenant, provider)[0])
        assert "No organisation here" in Client().post(CHOOSE, {"email": "x@acme.example"}).content.decode()

    def test_an_invitation_is_accepted_with_its_role(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, makes_members=False, is_required=True)
        with scope.bound(alice.tenant.id):
            [row] = invitations.invite(alice.actor, [invitations.Invitee("carol@acme.example", Role.ADMIN)])
        link = Client().get(urlsplit(invitations.link(row)).path, follow=False)
        browser = Client()
        page = browser.get(urlsplit(invitations.link(row)).path, follow=False)
        assert browser.get(page["Location"])["Location"] == f"{CHOOSE}{alice.tenant.id}/", "no password is asked for"
        assert link.status_code == 302
        arrive(alice.tenant, provider)
        assert Member.objects.get(user__email="carol@acme.example").role == Role.ADMIN


class TestWhoDoesNot:
    """Mallory owns Evil and its provider, and signs whatever he likes."""

    @pytest.mark.parametrize(
        ("claims", "code"),
        [
            ({"email": "alice@acme.example"}, "other_domain"),
            ({"email": "carol@sub.evil.example"}, "other_domain"),
            ({"email": "x@evil.example@acme.example"}, "no_address"),
            ({"email": ""}, "no_address"),
            ({"email": ["dora@evil.example"]}, "no_address"),
            ({"email_verified": False}, "not_verified"),
            ({"email_verified": None}, "not_verified"),
            ({"email_verified": "false"}, "not_verified"),
            ({"email": "olivia@evil.example"}, "operator"),
            ({"email": "gone@evil.example"}, "inactive"),
            ({"email": "eve@evil.example"}, "other_tenant"),
        ],
    )
    def test_whoever_they_claim_to_be(
        self, claims: dict[str, Any], code: str, alice: Character, mallory: Character, provider: Provider
    ) -> None:
        with scope.bound(mallory.tenant.id):
            AllowedDomain.objects.create(tenant=mallory.tenant, domain="evil.example", by_provider=True)
        User.objects.create_superuser("olivia@evil.example", "correct horse")
        User.objects.create_user("gone@evil.example", "x", is_active=False)
        create_member(alice.tenant, "eve@evil.example", Role.EDITOR)
        keep(mallory, provider)
        provider.claims = {"sub": "m-1", "email": "dora@evil.example", "email_verified": True} | claims
        answer, browser = arrive(mallory.tenant, provider)
        assert why(answer)
        assert tenants_of(browser) == []
        [refused] = told(mallory.tenant, "provider.refused")
        assert (refused["why"], refused["subject"]) == (code, "m-1")
        assert not Member.objects.filter(tenant=mallory.tenant).exclude(user=mallory.user).exists()

    def test_a_domain_that_goes_takes_everybody_with_it(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        arrive(alice.tenant, provider)
        with scope.bound(alice.tenant.id):
            domain.delete()
        assert "does not speak for" in why(arrive(alice.tenant, provider)[0])

    def test_an_address_that_another_person_there_takes_over(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        arrive(alice.tenant, provider)
        provider.claims |= {"sub": "c-2"}
        assert "belongs to somebody else" in why(arrive(alice.tenant, provider)[0])

    def test_an_account_that_somebody_prepared_loses_what_they_know(
        self, alice: Character, domain: AllowedDomain, provider: Provider, mailed: Mailed
    ) -> None:
        keep(alice, provider)
        carol = User.objects.create_user("carol@acme.example", "known to Mallory")
        Authenticator.objects.create(user=carol, type="totp", data={"secret": "x"})
        before = Client()
        before.force_login(carol)
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]
        assert not Authenticator.objects.exists()
        assert "_auth_user_id" not in before.session or before.get("/people/").status_code == 302
        Client().post("/accounts/login/", {"login": "carol@acme.example", "password": "known to Mallory"})
        assert not User.objects.get(email="carol@acme.example").has_usable_password()
        assert "carol@acme.example: You have come to Acme" in "".join(mailed("Acme signs you in now"))
        for change in ("member.password_changed", "member.factors_reset"):
            assert told(alice.tenant, change) == [{"email": "carol@acme.example", "how": "provider"}]


class TestASession:
    @pytest.fixture
    def second(self, alice: Character) -> Tenant:
        """Alice owns a second organisation, which is not her provider's."""
        second = create_tenant("Second")
        Member.objects.create(tenant=second, user=alice.user, role=Role.OWNER)
        return second

    def test_opens_its_own_organisation_and_nothing_else(
        self, alice: Character, second: Tenant, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        provider.claims |= {"email": "alice@acme.example"}
        _answer, browser = arrive(alice.tenant, provider)
        assert tenants_of(browser) == ["Acme"]
        assert browser.post("/tenant/", {"tenant": str(second.id)}).status_code == 404
        assert browser.get("/people/", headers={"X-Page-Tenant": str(second.id)}).status_code == 409
        assert actor_of_session(browser.session.session_key, str(second.id)) is None
        assert told(second, "member.signed_in") == []
        User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
        assert browser.get("/admin/").status_code == 302
        assert browser.get("/people/").status_code == 302

    def test_changes_nothing_that_is_the_person_s_own(
        self, alice: Character, mallory: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, counts_as_second_factor=True)
        _answer, browser = arrive(alice.tenant, provider)
        for page in ("security/", "security/keys/", "security/app/", "security/codes/", "devices/", "password/change/"):
            assert browser.get(f"/accounts/{page}").status_code == 403, page
        with scope.bound(mallory.tenant.id):
            [row] = invitations.invite(mallory.actor, [invitations.Invitee("carol@acme.example", Role.ADMIN)])
        browser.get(urlsplit(invitations.link(row)).path)
        assert browser.post(f"/accounts/invitations/{row.id}/").status_code == 403
        assert tenants_of(browser) == ["Acme"]
        assert not Member.objects.filter(tenant=mallory.tenant, user__email="carol@acme.example").exists()

    @pytest.mark.parametrize(
        "what", ["all", "provider", "domain", "address", "operator", "member", "again", "old", "new"]
    )
    def test_holds_no_longer_than_what_made_it(
        self, what: str, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider, settings: Any
    ) -> None:
        keep(alice, provider)
        provider.claims |= {"sub": "b-1", "email": "bob@acme.example"}
        _answer, browser = arrive(alice.tenant, provider)
        assert tenants_of(browser) == ["Acme"]
        session = browser.session
        asked = str(session.session_key), alice.tenant.id, ""
        assert [actor.member for actor in actors_of_sessions([asked]).values()] == [bob.member]
        with scope.bound(alice.tenant.id):
            rows = IdentityProvider.objects.filter(tenant=alice.tenant)
            if what == "all":
                settings.SINGLE_SIGN_ON = False
            elif what == "provider":
                rows.update(is_enabled=False)
            elif what == "domain":
                AllowedDomain.objects.update(by_provider=False)
            elif what == "address":
                with people.recording_changes(bob.user.pk, lambda _member: alice.actor):
                    User.objects.filter(pk=bob.user.pk).update(email="rob@acme.example")
            elif what == "operator":
                User.objects.filter(pk=bob.user.pk).update(is_staff=True)
            elif what == "member":
                members.remove(alice.actor, bob.member.pk, "revoke")
                Member.objects.create(tenant=alice.tenant, user=bob.user, role=Role.ADMIN)
            elif what == "again":
                rows.delete()
                assert not Identity.objects.exists(), "ties go with it"
                keep(alice, provider)
            elif what == "old":
                session["signed_by"] = {"tenant": str(alice.tenant.id), "factor": True}
                session.save()
            else:
                del session["signed_by"]
                session.save()
        assert actors_of_sessions([asked]) == {}
        assert actor_of_session(session.session_key) is None
        assert browser.get("/people/").status_code == 302
        assert "_auth_user_id" not in browser.session

    def test_is_of_a_kind_that_earlier_versions_do_not_know(
        self, alice: Character, domain: AllowedDomain, provider: Provider, settings: Any
    ) -> None:
        keep(alice, provider)
        _answer, browser = arrive(alice.tenant, provider)
        settings.AUTHENTICATION_BACKENDS = settings.AUTHENTICATION_BACKENDS[:1]
        assert browser.get("/people/").status_code == 302

    def test_sessions_of_their_own_go_on_with_other_settings(
        self, alice: Character, bob: Character, mallory: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        Member.objects.create(tenant=mallory.tenant, user=bob.user, role=Role.VIEWER)
        own = signed_in(Client(), bob)
        provider.claims |= {"sub": "b-1", "email": "bob@acme.example"}
        arrive(alice.tenant, provider)
        owner = signed_in(Client(), alice)
        provider.claims |= {"sub": "a-1", "email": "alice@acme.example"}
        arrive(alice.tenant, provider)
        keep(alice, provider, counts_as_second_factor=True)
        assert owner.get("/people/").status_code == 200
        assert own.get("/people/").status_code == 200

    def test_ties_by_addresses_that_are_not_believed_any_more_end(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, trusts_addresses=True)
        provider.claims |= {"email_verified": None}
        _answer, browser = arrive(alice.tenant, provider)
        assert tenants_of(browser) == ["Acme"]
        keep(alice, provider)
        assert tenants_of(browser) == []
        assert "verified" in why(arrive(alice.tenant, provider)[0])

    def test_waits_for_a_second_factor_under_the_provider_that_began_it(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        secret = totp.generate_totp_secret()
        totp.TOTP.activate(bob.user, secret)
        code = totp.format_hotp_value(totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time()))))
        provider.claims |= {"sub": "b-1", "email": "bob@acme.example"}
        _answer, browser = arrive(alice.tenant, provider)
        keep(alice, "https://other.example")
        answer = browser.post("/accounts/login/second/", {"code": code})
        assert answer["Location"] == "/accounts/login/"
        assert tenants_of(browser) == []

    def test_ends_with_the_provider_s_settings_and_after_half_a_day(
        self, alice: Character, as_alice: Client, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        _answer, browser = arrive(alice.tenant, provider)
        assert timedelta(hours=11) < timedelta(seconds=browser.session.get_expiry_age()) <= timedelta(hours=12)
        with time_machine.travel(timezone.now() + timedelta(hours=13)):
            assert browser.get("/people/").status_code == 302
        _answer, browser = arrive(alice.tenant, provider)
        keep(alice, provider, default_role="editor")
        assert browser.get("/people/").status_code == 200, "who becomes an editor is no reason"
        keep(alice, provider, counts_as_second_factor=True)
        assert browser.get("/people/").status_code == 302
        _answer, browser = arrive(alice.tenant, provider)
        assert as_alice.post(f"{PAGE}remove/").status_code == 302
        assert browser.get("/people/").status_code == 302
        assert begin(alice.tenant, Client()).status_code == 404

    def test_second_factors_are_asked_for_unless_the_provider_did(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        Tenant.objects.filter(pk=alice.tenant.pk).update(second_factor_from=timezone.now())
        assert arrive(alice.tenant, provider)[1].get("/people/")["Location"] == "/accounts/security/"
        Authenticator.objects.create(user=bob.user, type="totp", data={"secret": "x"})
        provider.claims |= {"sub": "b-1", "email": "bob@acme.example"}
        answer, browser = arrive(alice.tenant, provider)
        assert answer["Location"] == "/accounts/login/second/"
        assert tenants_of(browser) == []
        keep(alice, provider, counts_as_second_factor=True)
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]
        provider.claims = dict(CAROL)
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]


class TestRequired:
    def test_passwords_open_it_to_owners_alone(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider, client: Client
    ) -> None:
        before = signed_in(Client(), bob)
        keep(alice, provider, is_required=True)
        assert before.get("/people/").status_code == 403
        answer = client.post("/accounts/login/", {"login": "bob@acme.example", "password": "correct horse"})
        assert answer["Location"] == CHOOSE
        assert tenants_of(client) == []
        account, typed = Client(), {"login": "bob@acme.example", "password": "correct horse"}
        account.post("/accounts/login/", typed | {"next": "/accounts/security/"})
        assert account.get("/accounts/security/").status_code == 200, "where a factor is set up that is required"
        assert tenants_of(account) == []
        client.post("/accounts/login/", {"login": "alice@acme.example", "password": "correct horse"})
        assert tenants_of(client) == ["Acme"], "for the day on which the provider fails"

    def test_other_organisations_and_addresses_go_on(
        self, alice: Character, bob: Character, mallory: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider, is_required=True)
        Member.objects.create(tenant=mallory.tenant, user=bob.user, role=Role.VIEWER)
        guest = create_member(alice.tenant, "guest@notacme.example", Role.VIEWER)
        for who, reached in ((bob, ["Evil"]), (guest, ["Acme"])):
            browser = Client()
            browser.post("/accounts/login/", {"login": who.user.email, "password": "correct horse"})
            assert tenants_of(browser) == reached

    def test_an_operator_sees_it_and_switches_it_off(
        self, alice: Character, domain: AllowedDomain, provider: Provider, admin_client: Client
    ) -> None:
        keep(alice, provider, is_required=True)
        _answer, browser = arrive(alice.tenant, provider)
        address = f"/admin/tenants/tenant/{alice.tenant.pk}/change/"
        page = admin_client.get(address)
        assert provider.issuer in page.content.decode()
        tenant_form = page.context["adminform"].form
        form: dict[str, Any] = {name: tenant_form[name].value() for name in tenant_form.fields}
        for formset in page.context["inline_admin_formsets"]:
            for one in [*formset.formset.forms, formset.formset.management_form]:
                form |= {f"{one.prefix}-{name}": one[name].value() for name in one.fields}
        form = {name: value for name, value in form.items() if value not in (None, False)}
        form |= {"allows_sharing": "on"}
        form.pop("identity_provider-0-is_required")
        form.pop("identity_provider-0-is_enabled")
        answer = admin_client.post(address, form)
        assert answer.status_code == 302, answer.context["errors"]
        assert begin(alice.tenant, Client()).status_code == 404
        assert browser.get("/people/").status_code == 302
        assert told(alice.tenant, "provider.changed")[-1] == {"fields": ["is_enabled", "is_required"]}

    def test_an_operator_can_switch_all_of_it_off(
        self, alice: Character, bob: Character, domain: AllowedDomain, provider: Provider, settings: Any
    ) -> None:
        keep(alice, provider, is_required=True)
        settings.SINGLE_SIGN_ON = False
        assert signed_in(Client(), bob).get("/people/").status_code == 200
        assert begin(alice.tenant, Client()).status_code == 404
        assert Client().get(CHOOSE).status_code == 404
        assert signed_in(Client(), alice).get(PAGE).status_code == 404


def unsigned(claims: dict[str, Any], header: dict[str, str] | None = None) -> str:
    parts = (json.dumps(part).encode() for part in (header or {"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def with_hmac(claims: dict[str, Any], key: bytes) -> str:
    head = unsigned(claims, {"alg": "HS256", "kid": "one"}).rstrip(".")
    return f"{head}.{base64.urlsafe_b64encode(hmac.digest(key, head.encode(), 'sha256')).rstrip(b'=').decode()}"


class TestWhatIsNotBelieved:
    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://login.evil.example"},
            {"aud": "another client"},
            {"aud": [CLIENT, "another client"]},
            {"aud": [CLIENT, "another client"], "azp": "another client"},
            {"nonce": "of another sign-in"},
            {"nonce": None},
            {"exp": int(time.time()) - 120},
            {"exp": None},
            {"iat": int(time.time()) - 7200},
            {"iat": int(time.time()) + 7200},
            {"sub": None},
            {"sub": ""},
            {"sub": 7},
            {"sub": "x" * 256},
        ],
    )
    def test_claims(self, claims: dict[str, Any], alice: Character, domain: AllowedDomain, provider: Provider) -> None:
        keep(alice, provider)
        provider.claims |= claims
        answer, browser = arrive(alice.tenant, provider)
        assert "not valid" in why(answer)
        assert tenants_of(browser) == []

    def test_signatures(self, alice: Character, domain: AllowedDomain, provider: Provider) -> None:
        keep(alice, provider)
        public = provider.key.as_pem(private=False)
        other = RSAKey.generate_key(2048, {"kid": "one"})
        forgeries = {
            "none": unsigned,
            "by the public key": lambda claims: with_hmac(claims, public),
            "by another key": lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, other),
            "by a key of its own": lambda claims: jwt.encode(
                {"alg": "RS256", "jwk": other.as_dict(private=False)}, claims, other
            ),
            "nothing": lambda claims: "",
            "junk": lambda claims: "a.b.c",
        }
        for name, sign in forgeries.items():
            provider.sign = sign
            answer, browser = arrive(alice.tenant, provider)
            assert "not valid" in why(answer), name
            assert tenants_of(browser) == [], name
        provider.sign, provider.key = None, RSAKey.generate_key(2048, {"kid": "one"})
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"], "new keys are asked for"

    def test_answers_to_another_sign_in(
        self, alice: Character, mallory: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        browser = Client()
        back = f"{CHOOSE}{alice.tenant.id}/back/"
        assert "begun elsewhere" in why(browser.get(back, {"code": "the code", "state": "x"}))
        assert "begun elsewhere" in why(arrive(alice.tenant, provider, state="of another")[0])
        there = begin(alice.tenant, browser)["Location"]
        brought = provider.authorized(there)
        assert "begun elsewhere" in why(Client().get(back, brought)), "another browser"
        keep(mallory, provider)
        assert "begun elsewhere" in why(browser.get(f"{CHOOSE}{mallory.tenant.id}/back/", brought))
        assert begin(alice.tenant, browser).status_code == 302, "in another tab"
        assert browser.get(back, brought | {"code": "another"}).status_code == 403
        assert "begun elsewhere" in why(browser.get(back, brought)), "each sign-in is answered once"
        assert {one["why"] for one in told(alice.tenant, "provider.refused")} == {"status"}
        assert "Another provider" in why(arrive(alice.tenant, provider, iss="https://evil.example")[0])
        with time_machine.travel(timezone.now(), tick=False) as clock:
            there = begin(alice.tenant, browser)["Location"]
            clock.shift(timedelta(minutes=16))
            assert "begun elsewhere" in why(browser.get(back, provider.authorized(there)))

    def test_a_link_of_somebody_else_s(self, alice: Character, domain: AllowedDomain, provider: Provider) -> None:
        keep(alice, provider)
        provider.document = {"authorization_endpoint": "https://login.elsewhere.example/a"}
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "none"},
            {"Referer": "https://e.example/"},
        ):
            page = Client().get(f"{CHOOSE}{alice.tenant.id}/", headers=headers)
            assert page.status_code == 200
            assert "Sign in to Acme?" in page.content.decode()
            assert "login.elsewhere.example" in page.content.decode()
        assert begin(alice.tenant, Client()).status_code == 302

    def test_keys_and_names_of_another_kind_keep_nobody_out(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        other = RSAKey.generate_key(2048, {"kid": "two"})
        mine = [other.as_dict(private=False), provider.key.as_dict(private=False)]
        odd = [{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "RSA", "n": "A", "e": "AQAB"}, 7, {}]
        provider.keys = {"keys": [*odd, *mine]}
        provider.sign = lambda claims: jwt.encode({"alg": "RS256"}, claims, provider.key)
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"], "any key may have signed"

        def with_half_a_character(claims: dict[str, Any]) -> str:
            return jws.serialize_compact({"alg": "RS256"}, json.dumps(claims).encode(), provider.key)

        provider.sign = with_half_a_character
        provider.claims |= {"sub": "d-1", "email": "dora@acme.example", "given_name": "D\ud800ora"}
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]
        assert User.objects.get(email="dora@acme.example").first_name == "Dora"
        provider.claims |= {"sub": "\ud800"}
        assert "not valid (sub)" in why(arrive(alice.tenant, provider)[0])

    def test_a_provider_that_is_slow_or_fails_is_asked_seldom(
        self, alice: Character, domain: AllowedDomain, provider: Provider
    ) -> None:
        keep(alice, provider)
        provider.document = {"issuer": "https://other.example"}
        assert "at present (issuer)" in why(begin(alice.tenant, Client()))
        asked = len(provider.receiver.requests)
        assert begin(alice.tenant, Client()).status_code == 403
        assert len(provider.receiver.requests) == asked
        cache.clear()
        provider.document = {}
        browser, honest = Client(), provider.receiver.reply
        assert honest is not None
        brought = provider.authorized(begin(alice.tenant, browser)["Location"])

        def late(handler: Any) -> None:
            time.sleep(0.4)
            honest(handler)

        provider.receiver.reply = late
        began = time.monotonic()
        with json_calls.within(0.6):
            answer = browser.get(f"{CHOOSE}{alice.tenant.id}/back/", brought)
        assert "at present (timeout)" in why(answer)
        assert time.monotonic() - began < 2

    def test_what_the_provider_refuses(self, alice: Character, domain: AllowedDomain, provider: Provider) -> None:
        keep(alice, provider)
        browser = Client()
        state = provider.authorized(begin(alice.tenant, browser)["Location"])["state"]
        back = f"{CHOOSE}{alice.tenant.id}/back/"
        assert "may not use" in why(browser.get(back, {"error": "access_denied", "state": state}))
        state = provider.authorized(begin(alice.tenant, browser)["Location"])["state"]
        assert "&lt;b&gt;" in why(browser.get(back, {"error": "<b>", "state": state}))
        assert "at present (status)" in why(arrive(alice.tenant, provider, code="another code")[0])
        assert "did not accept" in told(alice.tenant, "provider.refused")[-1]["said"]


class TestItsPage:
    def test_the_secret_is_kept_sealed_and_shown_nowhere(
        self, alice: Character, as_alice: Client, provider: Provider
    ) -> None:
        keep(alice, provider)
        page = as_alice.get(PAGE).content.decode()
        assert SECRET not in page
        assert f"{CHOOSE}{alice.tenant.id}/back/" in page
        assert "No domain of e-mail addresses" in page
        with scope.bound(alice.tenant.id):
            row = IdentityProvider.objects.get()
        assert SECRET not in row.sealed_secret
        assert identity_providers.secret_of(row) == SECRET
        assert SECRET not in str(told(alice.tenant, "provider.changed"))
        form = {"client_id": CLIENT, "default_role": "viewer", "is_enabled": "on"}
        assert as_alice.post(PAGE, form | {"issuer": provider.issuer}).status_code == 302, "kept"
        elsewhere = as_alice.post(PAGE, form | {"issuer": "https://login.evil.example"}).content.decode()
        assert "Enter the secret that belongs to this issuer." in elsewhere, "it goes to nobody else"

    def test_it_is_an_owner_s_own_key(
        self, alice: Character, domain: AllowedDomain, provider: Provider, mailed: Mailed
    ) -> None:
        second = create_member(alice.tenant, "dora@acme.example", Role.OWNER)
        browser = signed_in(Client(), alice)
        form = {"client_id": CLIENT, "client_secret": SECRET, "default_role": "viewer", "is_enabled": "on"}
        form |= {"issuer": provider.issuer}
        for answer in (browser.get(PAGE), browser.post(PAGE, form), browser.post(f"{PAGE}remove/")):
            assert answer["Location"] == f"/accounts/again/?next={PAGE.replace('/', '%2F')}"
        assert SECRET not in str(dict(browser.session.items()))
        browser.post("/accounts/again/", {"password": "correct horse"})
        page = browser.get(PAGE)
        assert {name: page.context["form"][name].value() for name in ("issuer", "required_claim")} == {
            "issuer": "",
            "required_claim": "",
        }
        assert browser.post(PAGE, form)["Location"] == PAGE
        assert browser.post(PAGE, form | {"issuer": "https://login.acme.example"}).status_code == 302
        assert told(alice.tenant, "provider.changed")[-1]["issuer_before"] == provider.issuer
        keep(alice, provider)
        provider.claims |= {"sub": "d-1", "email": second.user.email}
        _answer, by_provider = arrive(alice.tenant, provider)
        for answer in (by_provider.get(PAGE), by_provider.post(PAGE, form), by_provider.post(f"{PAGE}remove/")):
            assert answer.status_code == 403, "a provider changes not itself"
        assert "dora@acme.example: The identity provider" in "".join(mailed("Single sign-on of Acme was changed"))

    def test_what_can_not_be_is_refused(self, alice: Character, as_alice: Client) -> None:
        form = {"client_id": CLIENT, "client_secret": SECRET, "default_role": "viewer"}
        for wrong, words in (
            ({"issuer": "https://169.254.169.254/latest"}, "not on the public internet"),
            ({"issuer": "ftp://login.acme.example"}, "must begin with https"),
            ({"issuer": "https://login.acme.example/?x=1"}, "neither a query"),
            ({"issuer": "https://login.acme.example", "roles": "bosses = owner"}, "viewer, editor or admin"),
            ({"issuer": "https://login.acme.example", "default_role": "owner"}, "Select a valid choice"),
            ({"issuer": "https://login.acme.example", "is_required": "on"}, "only while people can sign in"),
        ):
            assert words in as_alice.post(PAGE, form | wrong).content.decode(), wrong
        with scope.bound(alice.tenant.id):
            assert not IdentityProvider.objects.exists()

    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ({"issuer": "https://other.example"}, "It calls itself “https://other.example”"),
            ({"token_endpoint": None}, "It names no token_endpoint."),
            ({"jwks_uri": "http://169.254.169.254/keys"}, "Its jwks_uri can’t be used"),
            ({"authorization_endpoint": "javascript:alert(1)"}, "Its authorization_endpoint can’t be used"),
            ({"scopes_supported": ["openid"]}, "does not offer “email”"),
            ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "neither in a header nor in a form"),
        ],
    )
    def test_the_test_names_what_is_wrong(
        self, document: dict[str, Any], words: str, alice: Character, as_alice: Client, provider: Provider
    ) -> None:
        keep(alice, provider)
        provider.document = document
        assert words in as_alice.post(f"{PAGE}test/", follow=True).content.decode()

    def test_a_provider_on_a_private_network_is_the_operator_s_to_allow(
        self, alice: Character, as_alice: Client, domain: AllowedDomain, provider: Provider, settings: Any
    ) -> None:
        keep(alice, provider)
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        assert "not on the public internet" in as_alice.post(f"{PAGE}test/", follow=True).content.decode()
        assert "at present (refused_address)" in why(begin(alice.tenant, Client()))
        assert provider.receiver.connections == 0
        settings.OUTBOUND_PLAIN_HTTP = ["downloads", "webhooks"]
        assert "must begin with https" in as_alice.post(f"{PAGE}test/", follow=True).content.decode()
