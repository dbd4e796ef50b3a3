"""A passkey in a real browser, with an authenticator that Chromium plays: set up, and then alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture, run
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EMAIL, PASSWORD = "paula@acme.example", "correct horse"
JOIN = f"""
from tenants.models import Member, Tenant, User
user = User.objects.create_user({EMAIL!r}, {PASSWORD!r})
Member.objects.create(tenant=Tenant.objects.get(name="Demo"), user=user, role="viewer")
"""
LEAVE = f"""
from tenants.models import User
User.objects.filter(email={EMAIL!r}).delete()
"""
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def paula(stack: Stack) -> Iterator[None]:
    """A member whose sessions nobody else's test needs: with the first factor they end."""
    run(stack, JOIN)
    yield
    run(stack, LEAVE)


def sign_in(page: Page) -> None:
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def menu(page: Page, item: str) -> None:
    page.get_by_label("Your account").click()
    page.locator(".menu").get_by_text(item).click()


def test_a_passkey_is_added_and_signs_in_alone_and_after_the_password(
    open_context: Callable[..., BrowserContext], stack: Stack, paula: None, picture: Picture
) -> None:
    page = open_context(base_url=stack.url.replace("127.0.0.1", "localhost")).new_page()
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    page.goto("/accounts/security/")
    sign_in(page)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password").fill(PASSWORD)
    picture(page, "passkeys-is-it-you")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("Paula’s telephone")
    picture(page, "passkeys-add")
    page.get_by_role("button", name="Add it").click()
    expect(page.locator("#codes")).to_be_visible()
    picture(page, "passkeys-codes")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    assert len(saved.value.path().read_text().split()) == 10
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Paula’s telephone")).to_be_visible()
    expect(page.get_by_text("without password")).to_be_visible()
    picture(page, "passkeys-list", full_page=True)
    page.get_by_role("link", name="Set up an app").click()
    expect(page.locator(".qr path")).to_be_visible()
    picture(page, "passkeys-app", full_page=True)

    menu(page, "Sign out")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    picture(page, "passkeys-sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/recordings/")

    menu(page, "Sign out")
    sign_in(page)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    picture(page, "passkeys-second-step")
    page.get_by_role("button", name="Use a passkey or security key").click()
    page.wait_for_url("**/recordings/")
