"""axe finds nothing wrong with any page, nor with what opens on it, for an organisation that has one of everything."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import run
from tests.screens.organisation import session_of
from tests.screens.pages import OPERATORS_PAGES, PAGES
from tests.stack import ROOT, Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MAKE = """
import json
from tenants import scope
from tenants.models import Role
from tests.conftest import create_member, create_tenant
from tests.portal.web.conftest import make_transcription
from tests.portal.web.test_permissions import TABLE
from tests.portal.web.things import Things
from transcription.models import Speaker
tenant = create_tenant("Inclusive")
create_member(tenant, "alice@inclusive.example", Role.OWNER)
row = make_transcription(tenant, speakers="2", missed_speech=[[50.0, 60.0]])
with scope.bound(tenant.id):
    row.segments.update(speaker=0)
    Speaker.objects.bulk_create([Speaker.numbered(row, index) for index in range(2)])
    things = Things(row)
    pages = [url.format_map(things) for method, url, roles in TABLE if method == "GET" and roles[Role.OWNER] == 200]
print(json.dumps([f"/recordings/{row.recording_id}/", pages]))
"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
IN_THE_DARK = ["color-contrast", "link-in-text-block"]
"""What the theme changes."""

AXE = """async ([place, rules]) => {
    const still = new CSSStyleSheet();
    still.replaceSync("* { transition: none !important; }"); // from one theme to the other
    document.adoptedStyleSheets = [still];
    const { violations } = await axe.run(place, { runOnly: rules, resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));
}"""
DIALOGS = {
    "library": {
        "many-tag": "[data-open-dialog=many-tag]",
        "many-move": "[data-open-dialog=many-move]",
        "many-export": "[data-open-dialog=many-export]",
        "many-again": "[data-many-again]",
        "many-delete": "[data-open-dialog=many-delete]",
        "rename": "[data-rename-recording]",
        "confirm": ".row form[data-confirm-title] button",
    },
    "transcript": {
        "rename": "[data-rename-recording]",
        "replace": "[data-open-replace]",
        "times": "[data-open-times]",
        "rehear": "[data-open-rehear]",
        "speaker": "[data-voice='0'] [data-rename]",
        "whose": "[data-index='0'] [data-whose]",
        "subtitles": "[data-open-dialog=subtitles]",
        "again": "[data-open-dialog=again]",
        "hold": "[data-open-dialog=hold]",
        "keys": "[data-open-dialog=keys]",
        "share": "[data-open-dialog=share]",
        "confirm": "form[data-confirm-title] button",
    },
}
"""The dialogs of a page, and what opens each."""


@pytest.fixture
def open_seeing(open_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    def open_page(**options: object) -> Page:
        context = open_context(**options)
        context.add_init_script(path=ROOT / "node_modules" / "axe-core" / "axe.min.js")
        return context.new_page()

    return open_page


def look(page: Page, what: str, place: str = "html") -> list[str]:
    """Returns what axe finds there, in both themes."""
    found = page.evaluate(AXE, [place, RULES])
    page.emulate_media(color_scheme="dark")
    found += [["dark", *one] for one in page.evaluate(AXE, [place, IN_THE_DARK])]
    page.emulate_media(color_scheme="light")
    return [" · ".join((what, *one)) for one in found]


def look_into_dialogs(page: Page, dialogs: dict[str, str]) -> list[str]:
    assert set(page.locator("dialog").evaluate_all("all => all.map(({ id }) => id)")) == set(dialogs)
    found = []
    for name, opener in dialogs.items():
        page.locator(opener).first.dispatch_event("click")
        expect(page.locator(f"dialog#{name}[open]")).to_be_visible()
        found += look(page, name, f"#{name}")
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
    return found


def test_axe_finds_nothing(stack: Stack, browser: Browser, open_seeing: Callable[..., Page]) -> None:
    transcript, addresses = json.loads(run(stack, MAKE))
    page = open_seeing()
    page.goto("/")
    found = look(page, "sign in")
    page.get_by_label("Email").fill("alice@inclusive.example")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/recordings/")
    for address in dict.fromkeys((*addresses, *PAGES.values())):
        if "<title>" in page.request.get(address).text():
            page.goto(address)
            found += look(page, address)
    page.goto("/recordings/?by=all")
    page.locator("[data-pick]").first.check()
    page.locator(".row summary").first.click()
    expect(page.locator(".row [data-rename-recording]")).to_be_visible()
    found += look(page, "a row's menu")
    found += look_into_dialogs(page, DIALOGS["library"])

    page.goto(transcript)
    found += look_into_dialogs(page, DIALOGS["transcript"])
    page.locator(".segment__time[tabindex='0']").focus()
    for key in "ecp":
        page.keyboard.press(key)
        found += look(page, f"after {key}")
        page.keyboard.press("Escape")
    page.locator("[data-open-dialog=share]").first.click()
    dialog = page.get_by_role("dialog", name="Share")
    dialog.get_by_label("Anyone with the link can").select_option("Comment and correct, too")
    dialog.get_by_role("button", name="Make a link").click()
    guest = open_seeing()
    guest.goto(dialog.locator("#share-link").inner_text())
    found += look(guest, "guest")
    guest.get_by_role("button", name="Correct this text").first.click()
    found += look(guest, "guest corrects")

    operator = open_seeing(storage_state=session_of(browser, stack, "admin", stack.url))
    for address in OPERATORS_PAGES.values():
        if address.startswith("/admin/operations/"):  # the others are Django's
            operator.goto(address)
            found += look(operator, address, "#content")
    assert not found, "\n".join(found)
