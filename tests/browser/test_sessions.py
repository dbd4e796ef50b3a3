"""The session ends, or another tab switches the organisation, while a page is in use: nothing on it is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from tests.browser.conftest import Picture, SignIn, run, session_of_staff
from tests.browser.test_portal import choose, open_transcript, row
from tests.conftest import MakeMedia
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECOND = """
from tenants.models import Member, Quota, Tenant, User
tenant = Tenant.objects.create(name="Second")
Quota.with_defaults(tenant).save()
Member.objects.create(tenant=tenant, user=User.objects.get(email={email!r}), role="owner")
"""
VISIT = """
from datetime import timedelta
from allauth.mfa.models import Authenticator
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from tenants import scope
from tenants.models import Member, Quota, SupportVisit, Tenant, User
tenant = Tenant.objects.create(name="Visited")
Quota.with_defaults(tenant).save()
member = Member.objects.create(tenant=tenant, user=User.objects.create_user("visited@acme.example"), role="owner")
olivia = User.objects.create_superuser("olivia@portal.example", "a horse that two may ride")
Authenticator.objects.create(user=olivia, type="totp", data={{"secret": "x"}})
with scope.bound(tenant.id):
    visit = SupportVisit.objects.create(
        tenant=tenant, member=member, member_email=member.user.email, operator=olivia, operator_email=olivia.email,
        reason="Request 4711", until=timezone.now() + timedelta(minutes=30),
    )
session = SessionStore()
session["_auth_user_id"] = str(olivia.pk)
session["_auth_user_backend"] = "portal.accounts.AddressBackend"
session["_auth_user_hash"] = olivia.get_session_auth_hash()
session["support"] = str(visit.pk)
session._session_key = {key!r}
session.save(must_create=True)
"""
LEAVE = """
from tenants.models import Member
Member.objects.filter(tenant__name="Second").delete()
"""


@pytest.fixture
def signed_in(browser: Browser, stack: Stack) -> StorageState:
    """A session for each test, since some end theirs."""
    return session_of_staff(browser, stack)


def end_session(page: Page) -> None:
    """As signing out in another tab does it."""
    other = page.context.new_page()
    other.goto("/accounts/logout/")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/accounts/login/**")
    other.close()


def sign_in_again(page: Page, link_of: Page, stack: Stack) -> None:
    """By the link that the page shows: in another tab."""
    with page.context.expect_page() as opened:
        link_of.get_by_role("link", name="Sign in").last.click()
    other = opened.value
    other.get_by_label("Email").fill(stack.credentials["staff_email"])
    other.get_by_label("Password").fill(stack.credentials["staff_password"])
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/recordings/")
    other.close()


@pytest.fixture
def large(make_media: MakeMedia) -> Path:
    """Seven seconds of a tone in 21 MB: more than is sent at once."""
    return make_media.tone("long night.wav", 7, "-ar", "192000", "-ac", "8")


def test_uploads_pieces_and_the_microphone_go_on_after_a_new_sign_in(
    page: Page, stack: Stack, fox: Path, large: Path
) -> None:
    page.get_by_role("button", name="Record with this device").click()
    expect(page.locator("[data-recorder-time]")).to_have_text("0:01")
    end_session(page)
    notice = page.locator("#page-notice")
    expect(notice).to_contain_text("You are signed out. Sign in on another tab, then try again.")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Transcribe").click()
    choose(page, fox)
    uploads = page.locator(".upload.is-failed")
    expect(uploads).to_have_count(2)
    choose(page, large)
    expect(uploads).to_have_count(3)
    expect(uploads.nth(2)).to_contain_text("You are signed out.")
    sign_in_again(page, page, stack)
    for _ in range(3):
        uploads.first.get_by_role("button", name="Try again").click()
    expect(page.locator(".upload.is-failed")).to_have_count(0)
    for name in (fox.name, "long night.wav", "Recording "):
        expect(row(page, name).first).to_be_visible()
    expect(notice).to_have_count(0)


def test_what_was_typed_in_the_editor_is_saved_after_a_new_sign_in(
    page: Page, stack: Stack, fox: Path, tmp_path: Path
) -> None:
    open_transcript(page, fox, tmp_path, "typed.wav")
    page.locator("[data-edit]").first.click()
    field = page.locator(".segment__editor textarea")
    field.fill("A quick red fox.")
    end_session(page)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-conflict]")).to_contain_text("You are signed out.")
    sign_in_again(page, page, stack)
    expect(field).to_have_value("A quick red fox.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".segment__text").first).to_have_text("A quick red fox.")


@pytest.fixture
def second_organisation(stack: Stack) -> Iterator[None]:
    """The owner is a member of another one too, while the test runs."""
    run(stack, SECOND.format(email=stack.credentials["staff_email"]))
    yield
    run(stack, LEAVE)


def test_a_page_of_the_other_organisation_says_so_and_goes_on_when_switched_back(
    sign_in: SignIn, second_organisation: None, fox: Path
) -> None:
    page = sign_in()
    switch(page, "Second")
    choose(page, fox)
    upload = page.locator(".upload.is-failed")
    expect(upload).to_contain_text("This page belongs to Demo, but you work in Second now. Switch to Demo")
    switch(page, "Demo")
    upload.get_by_role("button", name="Try again").click()
    expect(page.locator(".upload.is-done")).to_be_visible()
    page.goto("/recordings/")
    oldest = page.locator(f"#{row(page, fox.name).last.get_attribute('id')}")  # whatever comes on top meanwhile
    oldest.locator("summary").click()
    expect(oldest.get_by_role("button", name="Delete")).to_be_visible()
    switch(page, "Second")
    with page.expect_response("**/delete/") as answer:
        oldest.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    assert answer.value.status == 409
    page.get_by_role("button", name="Switch to Demo").click()
    expect(row(page, fox.name).first).to_be_visible()


def switch(page: Page, name: str) -> None:
    other = page.context.new_page()
    other.goto("/recordings/")
    other.get_by_title("Switch organisation").click()
    other.get_by_role("button", name=name, exact=True).click()
    other.wait_for_load_state()
    other.close()
    page.bring_to_front()


def test_the_banner_of_support_stays_in_sight_and_its_button_works(
    open_context: Callable[..., BrowserContext], stack: Stack, picture: Picture
) -> None:
    key = uuid4().hex
    run(stack, VISIT.format(key=key))
    context = open_context(viewport={"width": 390, "height": 500})
    context.add_cookies([{"name": "sessionid", "value": key, "url": stack.url}])
    page = context.new_page()
    page.goto("/preferences/")
    page.get_by_role("button", name="Save").last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 5000)
    page.wait_for_function("scrollY > 100")
    expect(page.locator(".site-header")).to_be_in_viewport()
    expect(page.locator(".support")).to_contain_text("You act for visited@acme.example of Visited")
    picture(page, "support")
    box = page.get_by_role("button", name="End it").bounding_box()
    assert box
    # Where it is seen: `click` would scroll until nothing is above it.
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/admin/")
