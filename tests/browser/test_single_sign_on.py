"""An owner sets up the organisation's OpenID provider, and a newcomer signs in with it, across two sites."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from oidc_provider_mock import run_server_in_thread
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture, SignIn, run
from tests.receiver import listening
from tests.saml_provider import SamlProvider
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DOMAIN = """
from tenants import scope
from tenants.models import AllowedDomain, Tenant
with scope.across_tenants("a test"):
    demo = Tenant.objects.get(name="Demo")
    AllowedDomain.objects.get_or_create(tenant=demo, domain="acme.example", by_mail=False, by_provider=True)
"""


@pytest.fixture
def issuer() -> Iterator[str]:
    with run_server_in_thread() as server:
        issuer = f"http://127.0.0.1:{server.server_port}"
        claims = {"email": "carol@acme.example", "email_verified": True, "given_name": "Carol", "family_name": "Chen"}
        httpx.put(f"{issuer}/users/carol", json=claims).raise_for_status()
        httpx.put(f"{issuer}/users/eve", json={**claims, "email": "eve@evil.example"}).raise_for_status()
        yield issuer


def test_from_the_owner_s_page_to_a_newcomer_s_library(
    sign_in: SignIn, open_context: Callable[..., BrowserContext], stack: Stack, issuer: str, picture: Picture
) -> None:
    owner = sign_in()
    owner.goto("/people/")
    owner.get_by_role("link", name="Set it up").click()
    _confirm(owner, stack)
    expect(owner.get_by_text("No domain of e-mail addresses is entered")).to_be_visible()
    run(stack, DOMAIN)
    owner.reload()
    expect(owner.locator("strong", has_text="acme.example")).to_be_visible()
    owner.get_by_label("Issuer").fill(issuer)
    owner.get_by_label("Client ID").fill("portal")
    owner.get_by_label("Client secret").fill("s3cret")
    owner.get_by_label("Role of newcomers").select_option(label="Editor")
    owner.get_by_label("People can sign in with it").check()
    owner.get_by_role("button", name="Save").click()
    expect(owner.locator(".toast")).to_contain_text("Saved.")
    owner.get_by_role("button", name="Test").click()
    expect(owner.locator(".toast").first).to_contain_text("The provider answers, with 1 key.")
    tile = owner.locator("#begin-uri").inner_text()
    for name, options in _looks():
        looked = sign_in(**options)
        looked.goto("/people/sign-in/")
        picture(looked, f"provider-{name}", full_page=True)

    context = open_context()
    context.route(re.compile("^https:"), lambda route: route.fulfill(body=""))  # the look of the provider's page
    carol = context.new_page()
    carol.goto(tile)
    expect(carol.get_by_role("heading")).to_contain_text("Sign in to ")
    picture(carol, "provider-from-elsewhere")
    carol.get_by_role("link", name="Go on").click()
    expect(carol.get_by_placeholder("sub")).to_be_visible()
    _to_the_provider(carol, picture)
    carol.get_by_placeholder("sub").fill("eve")
    carol.get_by_role("button", name="Authorize").click()
    expect(carol.get_by_role("alert")).to_contain_text("does not speak for the address eve@evil.example")
    picture(carol, "provider-refused")
    carol.get_by_role("link", name="Try again").click()
    carol.get_by_placeholder("sub").fill("carol")
    carol.get_by_role("button", name="Authorize").click()
    carol.wait_for_url("**/recordings/")
    carol.get_by_role("link", name="People", exact=True).click()
    expect(carol.get_by_role("row", name="Carol Chen")).to_contain_text("Editor")

    owner.goto("/people/sign-in/")
    owner.get_by_role("button", name="Remove").click()
    owner.get_by_role("dialog").get_by_role("button", name="Remove").click()
    owner.wait_for_url("**/people/")
    carol.reload()
    expect(carol).to_have_url(f"{stack.url}/accounts/login/?next=/people/")


def test_what_a_saml_provider_of_another_site_posts_goes_on_by_itself(
    sign_in: SignIn, open_context: Callable[..., BrowserContext], stack: Stack, picture: Picture
) -> None:
    owner = sign_in()
    run(stack, DOMAIN)
    owner.goto("/people/sign-in/")
    _confirm(owner, stack)
    with listening() as receiver:
        elsewhere = f"http://localhost:{receiver.port}"  # another site than 127.0.0.1
        provider = SamlProvider(address=f"{elsewhere}/sso", attributes={"mail": ["dora@acme.example"]})
        receiver.reply = partial(_sso, provider)
        owner.get_by_label("Protocol").select_option(label="SAML 2.0")
        expect(owner.get_by_label("Client ID")).to_be_hidden()
        owner.get_by_label("or the metadata themselves").fill(provider.metadata)
        owner.get_by_label("Accept e-mail addresses").check()
        owner.get_by_label("People can sign in with it").check()
        picture(owner, "provider-saml", full_page=True)
        owner.get_by_role("button", name="Save").click()
        expect(owner.locator(".toast")).to_contain_text("Saved.")
        dora = open_context().new_page()
        dora.goto(owner.locator("#begin-uri").inner_text())
        dora.get_by_role("link", name="Go on").click()
        dora.get_by_role("button", name="Dora").click()
        dora.wait_for_url(f"{stack.url}/recordings/")
    owner.get_by_role("button", name="Remove").click()
    owner.get_by_role("dialog").get_by_role("button", name="Remove").click()
    owner.wait_for_url("**/people/")


def _confirm(owner: Page, stack: Stack) -> None:
    """Enters the password, unless another test did so a moment ago: they share a session."""
    password = owner.get_by_label("Password")
    expect(password.or_(owner.get_by_label("Protocol"))).to_be_visible()
    if password.is_visible():
        password.fill(stack.credentials["staff_password"])
        owner.get_by_role("button", name="Go on").click()


def _sso(provider: SamlProvider, handler: Any) -> None:
    """Asks who it is, and has the browser post it."""
    brought = provider.authorized(handler.path)
    fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in brought.items())
    acs = provider.asked["AssertionConsumerServiceURL"]
    body = f'<form method="post" action="{acs}">{fields}<button>Dora</button></form>'.encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _looks() -> list[tuple[str, dict[str, object]]]:
    return [
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 390, "height": 844}}),
        ("chinese", {"locale": "zh-CN"}),
    ]


def _to_the_provider(page: Page, picture: Picture) -> None:
    page.goto("/accounts/login/")
    picture(page, "provider-login")
    page.get_by_role("link", name="Sign in with your organisation").click()
    page.get_by_label("E-mail address").fill("carol@unknown.example")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("No organisation here signs in people of this domain.")
    page.get_by_label("E-mail address").fill("carol@acme.example")
    page.get_by_role("button", name="Go on").click()
    picture(page, "provider-go-on")
    page.get_by_role("link", name="Sign in at 127.0.0.1").click()
