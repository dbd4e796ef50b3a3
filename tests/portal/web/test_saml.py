"""People sign in with their organisation's SAML provider: owners set it up, members come in, forgeries don't."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from lxml import etree
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server

from portal import doctor, saml
from portal.saml import metadata
from portal.web import provider_form
from tenants import identity_providers, scope
from tenants.identity_providers import ProviderSettings
from tenants.models import AllowedDomain, Identity, IdentityProvider, Maintenance, Member, Protocol, Role, Tenant, User
from tests.conftest import Character, create_member
from tests.portal.web.conftest import Mailed, signed_in
from tests.portal.web.test_single_sign_on import CHOOSE, PAGE, begin, tenants_of, told, why
from tests.receiver import listening
from tests.saml_provider import SAML, UNSPECIFIED, SamlProvider, xmlsec

pytestmark = pytest.mark.django_db
DS = "{http://www.w3.org/2000/09/xmldsig#}"
EMAIL_FORMAT = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
CAROL = {"mail": ["Carol@ACME.example"], "givenName": ["Carol"]}


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["sign-in"]
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def domain(acme: Tenant) -> AllowedDomain:
    with scope.bound(acme.id):
        return AllowedDomain.objects.create(tenant=acme, domain="acme.example", by_provider=True)


@pytest.fixture
def provider() -> SamlProvider:
    return SamlProvider(attributes=dict(CAROL))


@pytest.fixture
def as_alice(as_alice: Client) -> Client:
    """Alice, who has just shown again that it is her."""
    assert as_alice.post("/accounts/again/", {"password": "correct horse"}).status_code == 302
    return as_alice


def keep(owner: Character, provider: SamlProvider, **more: Any) -> IdentityProvider:
    more = {"trusts_addresses": True, "metadata": provider.metadata, **more}
    with scope.bound(owner.tenant.id):
        wanted = ProviderSettings(provider.issuer, protocol=Protocol.SAML, is_enabled=True, **more)
        return identity_providers.keep(owner.actor, wanted)


def post(tenant: Tenant, client: Client, brought: dict[str, str]) -> Any:
    """The provider's page, of another site, posts what it signed; the page that comes then goes on with it."""
    page = Client(enforce_csrf_checks=True).post(f"{CHOOSE}{tenant.id}/back/", brought)
    assert page.status_code == 200
    assert f'action="{CHOOSE}{tenant.id}/back/"' in page.content.decode()
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()))
    fields = {name: fields[name] for name in (*brought, "again")}
    assert brought.items() <= fields.items()
    return client.post(f"{CHOOSE}{tenant.id}/back/", fields)


def arrive(tenant: Tenant, provider: SamlProvider) -> tuple[Any, Client]:
    """Somebody signs in at the provider, and comes back."""
    client = Client()
    there = begin(tenant, client)
    assert there.status_code == 302, there.content.decode()
    return post(tenant, client, provider.authorized(there["Location"])), client


def ties(tenant: Tenant) -> list[str]:
    with scope.bound(tenant.id):
        return list(Identity.objects.values_list("subject", flat=True))


class TestARealProvider:
    """pysaml2 reads and writes the messages, and libxmlsec1 signs: what others' code understands of the standard."""

    def test_alice_sets_it_up_and_carol_comes_in_with_her_role(
        self, alice: Character, as_alice: Client, provider: SamlProvider
    ) -> None:
        page = as_alice.get(PAGE).content.decode()
        [entity_id] = re.findall(r'id="entity-id">([^<]+)<', page)
        [acs] = re.findall(r'id="redirect-uri">([^<]+)<', page)
        metadata = Client().get(urlsplit(entity_id).path).content.decode()
        provider.address = "http://127.0.0.1:8001/sso"
        with listening() as receiver:
            receiver.body = provider.metadata.encode()
            form = {"protocol": "saml", "metadata_url": f"{receiver.url}/metadata", "default_role": "viewer"}
            form |= {"role_claim": "groups", "roles": "bosses = admin", "makes_members": "on", "is_enabled": "on"}
            saved = as_alice.post(PAGE, form | {"trusts_addresses": "on"})
            assert saved.status_code == 302, saved.context["form"].errors
            answer = as_alice.post(f"{PAGE}test/", follow=True).content.decode()
            assert "The provider answers, with 1 key." in answer
            browser = Client()
            assert "Sign in at 127.0.0.1" in browser.post(CHOOSE, {"email": "carol@acme.example"}).content.decode()
            there = begin(alice.tenant, browser, next="/usage/")["Location"]
            brought = self._answered(there, metadata, provider, {"groups": ["x", "bosses"], **CAROL})
            assert self._destination == acs
            answered = post(alice.tenant, browser, brought)
        assert answered["Location"] == "/usage/"
        assert tenants_of(browser) == ["Acme"]
        carol = Member.objects.get(user__email="carol@acme.example")
        assert (carol.role, carol.user.first_name, carol.user.has_usable_password()) == ("admin", "Carol", False)
        [tied] = told(alice.tenant, "member.provider_tied")
        assert tied == {"issuer": "urn:acme:login", "email": "carol@acme.example"}

    def _answered(self, there: str, metadata: str, provider: SamlProvider, who: dict[str, list[str]]) -> dict[str, str]:
        endpoints = {"single_sign_on_service": [(provider.address, BINDING_HTTP_REDIRECT)]}
        policy = {
            "default": {"lifetime": {"minutes": 5}, "name_form": "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}
        }
        config = {"entityid": provider.issuer, "xmlsec_binary": "/bin/true", "metadata": {"inline": [metadata]}}
        config |= {"service": {"idp": {"endpoints": endpoints, "policy": policy}}}
        server = Server(config=IdPConfig().load(config))
        query = parse_qs(urlsplit(there).query)
        asked = server.parse_authn_request(query["SAMLRequest"][0], BINDING_HTTP_REDIRECT).message
        args = server.response_args(asked)
        assert args["binding"] == BINDING_HTTP_POST
        self._destination = args["destination"]
        response = server.create_authn_response(
            who,
            in_response_to=args["in_response_to"],
            destination=args["destination"],
            sp_entity_id=args["sp_entity_id"],
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="c-1"),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "authn_auth": provider.issuer},
            sign_response=False,
            sign_assertion=False,
        )
        document = etree.fromstring(str(response).encode())
        provider.sign(document.find(f"{{{SAML}}}Assertion"))
        return {
            "SAMLResponse": base64.b64encode(etree.tostring(document)).decode(),
            "RelayState": query["RelayState"][0],
        }


class TestWhoComesIn:
    def test_bob_keeps_role_and_account_and_is_known_again_by_his_name_there(
        self, alice: Character, bob: Character, provider: SamlProvider
    ) -> None:
        keep(alice, provider, makes_members=False)
        provider.attributes = {"email": ["bob@acme.example"]}
        Maintenance.objects.create(text_en="The disks are changed.", text_zh="正在更换磁盘。")
        _answer, browser = arrive(alice.tenant, provider)
        assert browser.session["_auth_user_id"] == str(bob.user.pk)
        provider.attributes = {}
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]
        assert Member.objects.get(user=bob.user).role == Role.VIEWER

    def test_an_address_that_nobody_vouches_for_is_not_believed(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider, trusts_addresses=False)
        assert "is verified" in why(arrive(alice.tenant, provider)[0])
        provider.attributes = {"mail": ["carol@acme.example"], "email_verified": ["true"]}
        assert "is verified" in why(arrive(alice.tenant, provider)[0]), "it is said of `email`"
        provider.attributes = {"email": ["carol@acme.example"], "email_verified": ["true"]}
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]

    @pytest.mark.parametrize("format", [EMAIL_FORMAT, UNSPECIFIED])
    def test_a_name_that_is_an_address_is_believed_no_more_than_one(
        self, format: str, alice: Character, bob: Character, provider: SamlProvider
    ) -> None:
        keep(alice, provider, trusts_addresses=False)
        provider.said, provider.subject = {"format": format}, "bob@acme.example"
        provider.attributes = {"email": ["bob@acme.example"], "email_verified": ["true"]}
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]
        for said in (
            {},
            {"email": ["bob@acme.example"]},
            {"email": ["mallory@acme.example"], "email_verified": ["true"]},
            {"email": ["bob@acme.example"], "email_verified": ["false"]},
        ):
            provider.attributes = said
            assert "is verified" in why(arrive(alice.tenant, provider)[0]), said
        provider.attributes = {}
        keep(alice, provider, trusts_addresses=True)
        with scope.bound(alice.tenant.id):
            assert Identity.objects.get().member.user == bob.user
        assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"]

    def test_the_address_is_read_where_the_owner_says(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider, email_claim="work")
        assert "no e-mail address" in why(arrive(alice.tenant, provider)[0])
        provider.attributes |= {"work": ["dora@acme.example"]}
        arrive(alice.tenant, provider)
        assert User.objects.filter(email="dora@acme.example").exists()
        keep(alice, provider)
        provider.said, provider.subject, provider.attributes = {"format": EMAIL_FORMAT}, "eve@acme.example", {}
        arrive(alice.tenant, provider)
        assert User.objects.filter(email="eve@acme.example").exists()

    def test_a_new_certificate_is_asked_for(self, alice: Character, provider: SamlProvider) -> None:
        with listening() as receiver:
            receiver.body = provider.metadata.encode()
            keep(alice, provider, metadata="", metadata_url=receiver.url)
            arrive(alice.tenant, provider)
            new = SamlProvider(attributes=dict(CAROL), key=rsa.generate_private_key(65537, 2048))
            receiver.body = new.metadata.encode()
            assert tenants_of(arrive(alice.tenant, new)[1]) == ["Acme"]
            assert "not valid (signature)" in why(arrive(alice.tenant, provider)[0])

    def test_forgeries_make_the_portal_ask_once_and_close_nothing(
        self, alice: Character, provider: SamlProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metadata, "ANEW_SECONDS", 3600)
        with listening() as receiver:
            receiver.body = provider.metadata.encode()
            keep(alice, provider, metadata="", metadata_url=receiver.url)
            provider.said = {"audience": "https://other.example/metadata/"}
            assert "not valid (Audience)" in why(arrive(alice.tenant, provider)[0])
            assert len(receiver.requests) == 1, "another certificate would not help"
            receiver.status = 503
            forger = SamlProvider(attributes=dict(CAROL), key=rsa.generate_private_key(65537, 2048))
            for _again in range(3):
                assert why(arrive(alice.tenant, forger)[0])
            assert len(receiver.requests) == 2
            provider.said = {}
            assert tenants_of(arrive(alice.tenant, provider)[1]) == ["Acme"], "by what was read before"

    def test_a_session_lasts_no_longer_than_the_provider_s(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider)
        _answer, browser = arrive(alice.tenant, provider)
        assert 0 < browser.session.get_expiry_age() <= 3600
        provider.said = {"session": (timezone.now() + timedelta(days=9)).isoformat()}
        _answer, browser = arrive(alice.tenant, provider)
        assert 3600 < browser.session.get_expiry_age() <= 12 * 3600

    def test_sessions_and_ties_end_with_what_made_them(
        self, alice: Character, provider: SamlProvider, mailed: Mailed
    ) -> None:
        keep(alice, provider)
        _answer, browser = arrive(alice.tenant, provider)
        assert browser.get("/accounts/password/change/").status_code == 403, "only the organisation is open"
        keep(alice, SamlProvider(key=rsa.generate_private_key(65537, 2048)))
        assert tenants_of(browser) == [], "others may sign now"
        assert ties(alice.tenant) == ["c-1"]
        keep(alice, provider, email_claim="work")
        assert ties(alice.tenant) == [], "they were made by an address of elsewhere"
        keep(alice, provider)
        arrive(alice.tenant, provider)
        keep(alice, SamlProvider(key=rsa.generate_private_key(65537, 2048)))
        assert "metadata_before" in told(alice.tenant, "provider.changed")[-1]
        assert len(told(alice.tenant, "provider.changed")[-1]["metadata_before"]) == 64
        with scope.bound(alice.tenant.id):
            identity_providers.keep(alice.actor, ProviderSettings(provider.issuer, "portal", "s3cret", is_enabled=True))
        assert ties(alice.tenant) == [], "another protocol names other people"
        assert len(mailed("Single sign-on of Acme was changed")) == 6


class TestWhoDoesNot:
    def test_mallory_signs_in_nobody_of_acme(
        self, alice: Character, mallory: Character, provider: SamlProvider
    ) -> None:
        with scope.bound(mallory.tenant.id):
            AllowedDomain.objects.create(tenant=mallory.tenant, domain="evil.example", by_provider=True)
        create_member(alice.tenant, "eve@evil.example", Role.EDITOR)
        keep(mallory, provider)
        for email, code in (
            ("alice@acme.example", "other_domain"),
            ("eve@evil.example", "other_tenant"),
            ("dora@evil.example@acme.example", "no_address"),
        ):
            provider.attributes = {"email": [email]}
            answer, browser = arrive(mallory.tenant, provider)
            assert why(answer)
            assert tenants_of(browser) == []
            assert code in [one["why"] for one in told(mallory.tenant, "provider.refused")]
        keep(alice, SamlProvider(key=rsa.generate_private_key(65537, 2048)))
        assert "not valid (signature)" in why(arrive(alice.tenant, provider)[0]), "under Acme's name, with her own key"

    @pytest.mark.parametrize(
        ("said", "named"),
        [
            ({"audience": "https://other.example/metadata/"}, "Audience"),
            ({"recipient": "https://other.example/acs/"}, "SubjectConfirmation"),
            ({"confirms": "_of-another-request"}, "SubjectConfirmation"),
            ({"method": "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"}, "SubjectConfirmation"),
            ({"until": "2026-01-01T00:00:00Z"}, "Conditions"),
            ({"until": "soon"}, "Invalid isoformat"),
            ({"begins": "2096-01-01T00:00:00Z"}, "Conditions"),
            ({"issued": "2026-01-01T00:00:00Z"}, "IssueInstant"),
            ({"session": "2026-01-01T00:00:00Z"}, "AuthnStatement"),
            ({"condition": "<saml:Condition/>"}, "Conditions"),
            ({"issuer": "urn:evil"}, "response"),
            ({"in_response_to": "_of-another-request"}, "response"),
            ({"destination": "https://other.example/acs/"}, "response"),
        ],
    )
    def test_what_is_signed_for_somebody_else_or_another_time(
        self, said: dict[str, str], named: str, alice: Character, provider: SamlProvider
    ) -> None:
        keep(alice, provider)
        provider.said = said
        answer, browser = arrive(alice.tenant, provider)
        assert f"not valid ({named}" in why(answer)
        assert tenants_of(browser) == []

    def test_what_is_not_signed_as_it_should_be(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider)
        for signature, digest in (
            (xmlsec.Transform.RSA_SHA1, xmlsec.Transform.SHA256),
            (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA1),
        ):
            provider.signature, provider.digest = signature, digest
            assert "not valid (signature)" in why(arrive(alice.tenant, provider)[0])
        provider.signature, provider.digest = xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA256
        provider.key = rsa.generate_private_key(65537, 2048)
        assert "not valid (signature)" in why(arrive(alice.tenant, provider)[0]), "with another key"

    def test_forgeries(self, alice: Character, provider: SamlProvider) -> None:
        """What is signed says Carol; what Mallory adds says Alice."""
        keep(alice, provider)
        for forge in FORGERIES:
            provider.then = forge
            answer, browser = arrive(alice.tenant, provider)
            assert "not valid" in why(answer), forge
            assert tenants_of(browser) == [], forge
        assert ties(alice.tenant) == []

    def test_what_would_take_long_to_check_is_not_checked(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider)
        for forge, words in (
            (_with_namespaces, "too many namespaces"),
            (_with_levels, "too many levels"),
            (_with_much_to_sign, "SignedInfo"),
            (_with_many_prefixes, "SignedInfo"),
            (_with_nothing_to_sign, "SignedInfo"),
        ):
            provider.then = forge
            assert f"not valid ({words})" in why(arrive(alice.tenant, provider)[0])

    def test_the_other_protocol_s_answers_are_refused(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider)
        back = f"{CHOOSE}{alice.tenant.id}/back/"
        assert Client().get(back, {"SAMLResponse": "x"}).status_code == 405
        page = Client().post(back, {"SAMLResponse": "x", "RelayState": "y", "csrfmiddlewaretoken": "z", "more": "w"})
        form = page.content.decode().partition('id="answer"')[2].partition("</form>")[0]
        hidden = re.findall(r'name="(\w+)"', form)
        assert hidden == ["SAMLResponse", "RelayState", "again"]
        with scope.bound(alice.tenant.id):
            wanted = ProviderSettings("https://login.acme.example", "portal", "s3cret", is_enabled=True)
            identity_providers.keep(alice.actor, wanted)
        assert "begun elsewhere" in why(Client().get(back, {"SAMLResponse": "x"}))
        assert Client().post(back, {"SAMLResponse": "x"}).status_code == 405

    def test_a_comment_cuts_no_name_short(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider)
        provider.subject = "alice.evil"

        def cut(response: Any) -> Any:
            name = response.find(f".//{{{SAML}}}NameID")
            name.text = "alice"
            name.append(etree.Comment("x"))
            name[0].tail = ".evil"
            return response

        provider.then = cut
        arrive(alice.tenant, provider)
        assert ties(alice.tenant) == ["alice.evil"]

    def test_an_answer_opens_once_in_the_browser_that_asked(
        self, alice: Character, mallory: Character, provider: SamlProvider
    ) -> None:
        keep(alice, provider)
        keep(mallory, provider)
        browser = Client()
        brought = provider.authorized(begin(alice.tenant, browser)["Location"])
        assert "begun elsewhere" in why(post(alice.tenant, Client(), brought)), "stolen"
        assert "begun elsewhere" in why(post(mallory.tenant, browser, brought)), "of another organisation"
        assert begin(alice.tenant, browser).status_code == 302, "in another tab"
        assert post(alice.tenant, browser, brought).status_code == 302
        browser.logout()
        assert "begun elsewhere" in why(post(alice.tenant, browser, brought)), "replayed"
        mine = begin(alice.tenant, browser)["Location"]
        replayed = brought | {"RelayState": parse_qs(urlsplit(mine).query)["RelayState"][0]}
        assert "not valid (response)" in why(post(alice.tenant, browser, replayed)), "as the answer to another one"
        unasked = {"SAMLResponse": brought["SAMLResponse"], "RelayState": "/recordings/"}
        assert "begun elsewhere" in why(post(alice.tenant, Client(), unasked)), "nobody asked"
        with time_machine.travel(timezone.now(), tick=False) as clock:
            brought = provider.authorized(begin(alice.tenant, browser)["Location"])
            clock.shift(timedelta(minutes=7))
            assert "not valid (Conditions)" in why(post(alice.tenant, browser, brought)), "too late"

    def test_what_can_not_be_read_or_kept_apart(self, alice: Character, provider: SamlProvider) -> None:
        keep(alice, provider)
        transient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
        for said, words in (
            ({"format": transient}, "by nothing that stays"),
            ({"subject": ""}, "by nothing that stays"),
            ({"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"}, "refused the sign-in (Responder)"),
        ):
            provider.said = said
            assert words in why(arrive(alice.tenant, provider)[0])
        browser, provider.said = Client(), {}
        for junk in ("", "AAAA", "%", base64.b64encode(b"<a/>").decode(), "x" * 400_000):
            brought = provider.authorized(begin(alice.tenant, browser)["Location"]) | {"SAMLResponse": junk}
            assert "not valid" in why(post(alice.tenant, browser, brought))


def _evil(response: Any) -> tuple[Any, Any]:
    """Returns the signed assertion, and one without a signature that says Alice."""
    signed = response.find(f"{{{SAML}}}Assertion")
    evil = copy.deepcopy(signed)
    evil.remove(evil[1])
    evil.find(f".//{{{SAML}}}NameID").text = "a-1"
    evil.find(f".//{{{SAML}}}AttributeValue").text = "alice@acme.example"
    return signed, evil


def _unsigned(response: Any) -> Any:
    signed, evil = _evil(response)
    response.replace(signed, evil)
    return response


def _changed(response: Any) -> Any:
    response.find(f".//{{{SAML}}}AttributeValue").text = "alice@acme.example"
    return response


def _two(response: Any) -> Any:
    signed, evil = _evil(response)
    evil.set("ID", "evil")
    signed.addprevious(evil)
    return response


def _signature_of_another(response: Any) -> Any:
    """The forged one has the signature, which is of the signed one beside."""
    signed, evil = _evil(response)
    evil.set("ID", "evil")
    evil.insert(1, signed[1])
    response.replace(signed, evil)
    etree.SubElement(response, "Extensions").append(signed)
    return response


def _inside_the_forged(response: Any) -> Any:
    signed, evil = _evil(response)
    evil.set("ID", "evil")
    signature = signed[1]
    response.replace(signed, evil)
    evil.insert(1, signature)
    etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object").append(signed)
    return response


def _same_id(response: Any) -> Any:
    signed, evil = _evil(response)
    response.replace(signed, evil)
    evil.insert(1, copy.deepcopy(signed[1]))
    etree.SubElement(evil, "Advice").append(signed)
    return response


def _signed_response(response: Any) -> Any:
    """Its signature is moved to the response: nothing within the assertion is signed then."""
    signed, evil = _evil(response)
    response.insert(1, signed[1])
    response.replace(signed, evil)
    return response


def _entities(response: Any) -> Any:
    text = etree.tostring(response).decode().replace("Carol@ACME.example", "&who;")
    declared = f'<!DOCTYPE r [<!ENTITY who SYSTEM "file:///etc/passwd">]>{text}'
    return etree.fromstring(declared, etree.XMLParser(resolve_entities=False)).getroottree()


def _transform(response: Any) -> Any:
    return response.find(f".//{DS}Transform")


def _with_namespaces(response: Any) -> Any:
    _transform(response).append(etree.Element("x", nsmap={f"n{i}": f"urn:{i}" for i in range(33)}))
    return response


def _with_levels(response: Any) -> Any:
    inner = _transform(response)
    for _ in range(33):
        inner = etree.SubElement(inner, "x")
    return response


def _with_much_to_sign(response: Any) -> Any:
    etree.SubElement(_transform(response), "x").text = "x" * 9000
    return response


def _with_many_prefixes(response: Any) -> Any:
    exclusive = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
    etree.SubElement(_transform(response), exclusive, PrefixList="x " * 40)
    return response


def _with_nothing_to_sign(response: Any) -> Any:
    signed = response.find(f".//{DS}SignedInfo")
    signed.getparent().remove(signed)
    return response


FORGERIES = (
    *(_unsigned, _changed, _two, _signature_of_another),
    *(_inside_the_forged, _same_id, _signed_response, _entities),
)


class TestItsPage:
    FORM = {"protocol": "saml", "default_role": "viewer", "is_enabled": "on", "trusts_addresses": "on"}

    def test_metadata_are_pasted_or_have_an_address(
        self, alice: Character, as_alice: Client, provider: SamlProvider, settings: Any
    ) -> None:
        other = provider.metadata.replace(provider.issuer, "urn:other")
        both = f'<m:All xmlns:m="urn:oasis:names:tc:SAML:2.0:metadata">{provider.metadata}{other}</m:All>'
        names = "".join(f' xmlns:n{i}="urn:{i}"' for i in range(33))
        known = provider.metadata
        [kept] = re.findall(r"<X509Certificate>(.+)</X509Certificate>", known)
        der = base64.b64decode(kept).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
        later = base64.b64encode(der).decode()
        bomb = f'<!DOCTYPE x [<!ENTITY a "aaaa">]>{provider.metadata}'
        for wrong, words in (
            ({}, "Enter either the address"),
            ({"metadata": provider.metadata, "metadata_url": "https://login.acme.example"}, "Enter either the address"),
            ({"metadata_url": "https://169.254.169.254/latest"}, "not on the public internet"),
            ({"metadata_url": "file:///etc/passwd"}, "must begin with https"),
            ({"metadata": "what?"}, "no XML"),
            ({"metadata": bomb}, "document type"),
            ({"metadata": known.replace("<IDPSSODescriptor", f"<IDPSSODescriptor{names}")}, "too many namespaces"),
            ({"metadata": known.replace(kept, later)}, "no certificate"),
            ({"metadata": both}, "describe 2 identity providers"),
            ({"metadata": provider.metadata, "issuer": "urn:elsewhere"}, "It calls itself “urn:acme:login”"),
            ({"metadata": provider.metadata.replace("signing", "encryption")}, "no certificate"),
            ({"metadata": provider.metadata.replace("HTTP-Redirect", "SOAP")}, "HTTP-Redirect binding"),
            ({"metadata": provider.metadata.replace("https://login", "javascript:login")}, "can’t be used"),
        ):
            assert words in as_alice.post(PAGE, self.FORM | wrong).content.decode(), wrong
        assert not told(alice.tenant, "provider.changed")
        assert as_alice.post(PAGE, self.FORM | {"metadata": both, "issuer": "urn:other"}).status_code == 302
        [row] = told(alice.tenant, "provider.changed")
        assert (row["issuer"], row["enabled"]) == ("urn:other", True)
        form = {"protocol": "openid", "issuer": "https://login.acme.example", "default_role": "viewer"}
        page = as_alice.post(PAGE, form).content.decode()
        assert "Enter the client ID." in page
        assert "Enter the secret" in page

    def test_without_its_packages_it_says_what_to_install(
        self, alice: Character, as_alice: Client, provider: SamlProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(alice, provider)
        monkeypatch.setattr(saml, "find_spec", lambda _name: None)
        assert saml.INSTALL in as_alice.get(PAGE).content.decode()
        page = as_alice.post(PAGE, self.FORM | {"metadata": provider.metadata}).content.decode()
        assert page.count(saml.INSTALL) == 2
        assert "at present (not_installed)" in why(begin(alice.tenant, Client()))
        found = [one for one in doctor.examine(["database"]) if one.part == "sign-in"]
        assert [(one.state, saml.INSTALL in one.remedy) for one in found] == [("problem", True)]
        assert signed_in(Client(), alice).get("/people/").status_code == 200

    def test_addresses_are_asked_ten_times_a_while(
        self, alice: Character, as_alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider_form, "TESTS", replace(provider_form.TESTS, seconds=86_400))
        form = self.FORM | {"metadata_url": "https://169.254.169.254/latest"}
        pages = [as_alice.post(PAGE, form).content.decode() for _again in range(11)]
        assert ["Too many tests" in page for page in pages] == [False] * 10 + [True]

    def test_what_a_version_without_saml_has_written_counts(
        self, alice: Character, as_alice: Client, provider: SamlProvider
    ) -> None:
        keep(alice, provider)
        with scope.bound(alice.tenant.id):
            IdentityProvider.objects.update(issuer="https://login.acme.example", sealed_secret="sealed")
            assert not IdentityProvider.objects.get().is_saml
        assert 'value="openid" selected' in as_alice.get(PAGE).content.decode()

    def test_the_portal_s_metadata_say_nothing_of_whose_they_are(self, alice: Character, settings: Any) -> None:
        for tenant in (alice.tenant.id, "0" * 8 + "-0000-4000-8000-" + "0" * 12):
            answer = Client().get(f"{CHOOSE}{tenant}/metadata/")
            assert answer.status_code == 200
            assert f"{CHOOSE}{tenant}/back/".encode() in answer.content
        settings.SINGLE_SIGN_ON = False
        assert Client().get(f"{CHOOSE}{alice.tenant.id}/metadata/").status_code == 404
