"""A transcript of ten hours: all its lines are there for whoever looks for them, and elements only near the window."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture, SignIn, run
from tests.stack import Stack
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LINES = 30_000
MOST_ELEMENTS = 600
"""Lines of the page that may have elements at once."""
WRITE = f"""
from django.utils import timezone
from tenants import scope
from tenants.models import Member
from transcription.models import Recording, Segment, Speaker, Transcription
tenant = Member.objects.order_by("pk").first().tenant
with scope.bound(tenant.id):
    recording = Recording.objects.create(
        tenant=tenant, name="hours.wav", source="upload", storage_key="nowhere", format="wav", bytes=1,
        sha256="0" * 64, duration_seconds=36000)
    row = Transcription.objects.create(
        tenant=tenant, recording=recording, model="base", status="completed", finished_at=timezone.now(),
        detected_language="en", speakers="2", missed_speech=[[20011.0, 20020.0]])
    Speaker.objects.bulk_create([Speaker.numbered(row, index) for index in range(2)])
    Segment.objects.bulk_create([
        Segment(
            tenant=tenant, transcription=row, index=at, start=at * 1.2 + (12 if at > 16674 else 0),
            end=at * 1.2 + 1.1 + (12 if at > 16674 else 0), speaker=at // 5 % 2,
            text=f" Then we came to question {{at}} of it" + (", xylophone." if at % 6000 == 5999 else "."),
            avg_logprob=-1.2 if at in (700, 20700) else -0.2)
        for at in range({LINES})], 1000)
"""


@pytest.fixture(scope="module")
def hours(stack: Stack) -> None:
    run(stack, WRITE)


@pytest.fixture
def long_page(page: Page, hours: None) -> Page:
    return opened(page)


def opened(page: Page) -> Page:
    page.goto("/recordings/?search=hours.wav")
    page.get_by_role("link", name="hours.wav").first.click()
    expect(page.locator(".transcript--windowed")).to_be_visible()
    return page


def line(index: int) -> str:
    return f".segment[data-index='{index}']"


def elements(page: Page) -> int:
    return page.locator(".segment").count()


def test_all_lines_are_searched_and_few_are_elements(long_page: Page, picture: Picture) -> None:
    page = long_page
    assert elements(page) < MOST_ELEMENTS
    end = "scrollTo(0, document.documentElement.scrollHeight)"
    page.evaluate(end)
    expect(page.locator(line(LINES - 1))).to_contain_text(f"question {LINES - 1} of it")
    page.evaluate(end)
    expect(page.locator(line(LINES - 1))).to_be_in_viewport()
    assert elements(page) < MOST_ELEMENTS
    expect(page.locator(line(LINES - 1))).to_have_attribute("aria-setsize", str(LINES + 1))
    page.keyboard.press("Control+f")
    field, found = page.get_by_label("Find in this transcript"), page.locator("[data-found]")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    picture(page, "long-find")
    field.fill("xylophone")
    expect(found).to_have_text("5 of 5")
    field.press("Enter")
    expect(found).to_have_text("1 of 5")
    expect(page.locator(line(5999))).to_be_in_viewport()
    assert page.evaluate("[...CSS.highlights.get('found-now')].map(String).join()") == "xylophone"
    field.fill("question")
    expect(found).to_have_text(re.compile(f"of {LINES}$"))
    assert 0 < page.evaluate("CSS.highlights.get('found').size") < MOST_ELEMENTS
    field.fill("xylophone")
    expect(found).to_have_text("1 of 5")
    field.press("Escape")
    expect(page.locator(f"{line(5999)} .segment__time")).to_be_focused()
    assert page.evaluate("CSS.highlights.get('found').size") == 0
    expect(page.locator("[data-check-count]")).to_have_text("3 places to check")
    for place in (None, 20700, 700):
        page.keyboard.press("n")
        shown = line(place) if place else ".segment--gap"
        expect(page.locator(shown)).to_be_in_viewport()
        expect(page.locator(f"{shown} .segment__time")).to_be_focused()
    only = page.get_by_role("button", name="Only these")
    only.dispatch_event("click")
    expect(page.locator(".segment")).to_have_count(3)
    only.dispatch_event("click")
    page.locator("[data-voice='0'] [data-only]").dispatch_event("click")
    expect(page.locator(line(5))).to_have_count(0)
    picture(page, "long")


def test_a_far_line_is_corrected_divided_and_undone(long_page: Page) -> None:
    page = long_page
    page.locator(".segment__time[tabindex='0']").focus()
    page.keyboard.press("End")
    time = page.locator(f"{line(LINES - 1)} .segment__time")
    expect(time).to_be_focused()
    page.keyboard.press("e")
    area = page.locator(".segment__editor textarea")
    expect(area).to_be_focused()
    area.fill("It was the xylophone. Nothing else was.")
    area.evaluate("area => area.setSelectionRange(21, 21)")
    area.press("Enter")
    expect(page.locator(line(LINES))).to_have_count(1)
    expect(area).to_have_value("Nothing else was.")
    area.press("Escape")
    expect(page.locator(f"{line(LINES - 1)} .segment__text")).to_have_text("It was the xylophone.")
    page.keyboard.press("Control+f")
    field = page.get_by_label("Find in this transcript")
    field.fill("the xylophone")
    expect(page.locator("[data-found]")).to_have_text("1 of 1")
    page.get_by_role("button", name="Undo", exact=True).dispatch_event("click")
    expect(page.locator(line(LINES))).to_have_count(0)
    page.get_by_role("button", name="Replace…").dispatch_event("click")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Find", exact=True).fill("question 23456 of")
    dialog.get_by_label("Replace with").fill("answer 23456 of")
    dialog.locator("[data-replace-all]").click()
    expect(dialog).to_be_hidden()
    field.fill("answer 23456")
    expect(page.locator("[data-found]")).to_have_text("1 of 1")
    expect(page.locator(f"{line(23456)} .segment__text")).to_have_text("Then we came to answer 23456 of it.")


def test_what_is_selected_over_lines_that_are_not_drawn_is_copied_and_all_lines_are_printed(long_page: Page) -> None:
    page = long_page
    copied = page.evaluate(
        """async () => {
            const text = (index) => document.querySelector(`[data-index="${index}"] .segment__text`).firstChild;
            const start = text(3);
            getSelection().setBaseAndExtent(start, 5, start, 6);
            document.querySelector(".segment__time[tabindex='0']").focus();
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
            await new Promise((done) => setTimeout(done, 500));
            getSelection().setBaseAndExtent(start, 5, text(29998), 4);
            const data = new DataTransfer();
            const event = new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true });
            document.dispatchEvent(event);
            return event.clipboardData.getData("text/plain");
        }"""
    )
    lines = copied.split("\n")
    assert len(lines) == LINES - 4
    assert (lines[0], lines[-1]) == ("we came to question 3 of it.", "Speaker 2: Then")
    assert lines[15000].endswith("question 15003 of it.")
    page.evaluate("getSelection().removeAllRanges()")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert elements(page) == LINES + 1
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert elements(page) < MOST_ELEMENTS


def test_an_address_names_a_moment(long_page: Page) -> None:
    page = long_page
    address = page.url
    page.goto("about:blank")
    page.goto(f"{address}#t=8:00:00")
    spoken = page.locator(line(23990))
    expect(spoken.locator(".segment__time")).to_be_focused()
    expect(spoken).to_be_in_viewport()
    expect(page.locator("[data-time]")).to_have_text("8:00:00")
    page.evaluate("location.hash = '#t=600'")
    expect(page.locator(f"{line(500)} .segment__time")).to_be_focused()
    page.keyboard.press("l")
    expect(page.locator(".toast")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{address}#t=600"
    page.get_by_role("button", name="Forward 5 seconds").click()
    page.get_by_role("button", name="Copy a link to this moment").focus()
    page.keyboard.press("Enter")
    until(lambda: page.evaluate("navigator.clipboard.readText()") == f"{address}#t=605")


def test_a_phone_shows_and_searches_it(sign_in: SignIn, hours: None, picture: Picture) -> None:
    page = opened(sign_in(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True))
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    page.get_by_role("button", name="Find", exact=True).click()
    field = page.get_by_label("Find in this transcript")
    expect(field).to_be_focused()
    field.fill("question 21234 ")
    expect(page.locator("[data-found]")).to_have_text("1 of 1")
    expect(page.locator(line(21234))).to_be_in_viewport()
    assert elements(page) < MOST_ELEMENTS
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    picture(page, "long-phone")


def test_a_guest_scrolls_and_searches_it_by_a_link_and_what_they_type_stays_while_its_line_is_away(
    long_page: Page, open_context: Callable[..., BrowserContext]
) -> None:
    long_page.get_by_role("button", name="Share…").click()
    dialog = long_page.get_by_role("dialog", name="Share")
    dialog.get_by_label("Anyone with the link can").select_option("Comment and correct, too")
    dialog.get_by_role("button", name="Make a link").click()
    page = open_context().new_page()
    page.goto(dialog.locator("#share-link").inner_text())
    expect(page.locator(".transcript--windowed")).to_be_visible()
    for _step in range(2):  # what was drawn may be higher than what it stood for
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(page.locator(line(LINES - 1))).to_be_visible()
    expect(page.locator(line(LINES - 1))).to_be_in_viewport()
    page.get_by_role("searchbox").fill("question 21234 ")
    expect(page.locator("[data-found]")).to_have_text("1 of 1")
    expect(page.locator(line(21234))).to_be_in_viewport()
    assert elements(page) < MOST_ELEMENTS
    page.evaluate("scrollTo(0, 0)")
    corrected = page.locator(line(30))
    corrected.get_by_role("button", name="Correct this text").click()
    corrected.locator("textarea").fill("Then we came to what was typed.")
    page.locator("#guest-name").focus()
    expect(corrected).to_have_count(0)
    page.evaluate("scrollTo(0, 500)")
    expect(corrected.locator("textarea")).to_have_value("Then we came to what was typed.")
    corrected.get_by_label("Your name").fill("Jane")
    corrected.get_by_role("button", name="Save").click()
    expect(corrected.locator(".segment__text")).to_have_text("Then we came to what was typed.")
    expect(page.locator("#guest-name")).to_have_value("Jane")
