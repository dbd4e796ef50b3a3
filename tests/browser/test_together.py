"""Two people correct one transcript at once, in two real browsers; the second was invited on the page of people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture, invited
from tests.browser.test_portal import open_transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def open_line(page: Page) -> None:
    """Opens the first line, also where the other one seems to type in it still."""
    page.locator("[data-index='0'] [data-edit]").click()
    field, anyway = page.locator("[data-index='0'] textarea"), page.get_by_role("button", name="Edit it anyway").last
    expect(field.or_(anyway).first).to_be_visible()
    if not field.is_visible():
        anyway.click()
    expect(field).to_be_visible()


def type_into(page: Page, text: str) -> None:
    open_line(page)
    page.locator("[data-index='0'] textarea").fill(text)


def test_two_people_work_on_one_transcript(
    page: Page, open_context: Callable[..., BrowserContext], fox: Path, tmp_path: Path, picture: Picture
) -> None:
    context = open_context()
    his = invited(page, "bob@together.example", context)
    page.goto("/recordings/")
    open_transcript(page, fox, tmp_path, "a fox for two.wav")
    his.goto(page.url)
    line = "[data-index='0'] .segment__text"

    expect(page.locator("[data-present]")).to_contain_text("Bob")
    for one in (his, page):
        one.get_by_role("button", name="Proofread").click()
        expect(one.get_by_label("Text of the passage")).to_be_focused()
    page.keyboard.press("Enter")
    expect(his.locator(".toast", has_text="Somebody else checked that passage.")).to_be_visible()
    expect(his.locator("[data-checked]")).to_contain_text("Checked")
    for one in (his, page):
        one.locator("[data-walk-close]").first.click()
    type_into(his, "A brown fox, says Bob.")
    expect(page.locator("[data-index='0'] .segment__person")).to_contain_text("Bob is typing here.")
    page.locator("[data-index='0'] [data-edit]").click()
    expect(page.locator(".toast", has_text="Bob is typing in this line.")).to_be_visible()
    expect(page.locator("[data-index='0'] textarea")).to_have_count(0)
    picture(page, "together")
    page.locator(".toast", has_text="Bob is typing").locator(".button--icon").click()

    his.keyboard.press("Control+Enter")
    expect(page.locator(line)).to_have_text("A brown fox, says Bob.")

    context.set_offline(True)
    type_into(his, "A red fox, says Bob.")
    type_into(page, "A black fox, says the owner.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(line)).to_have_text("A black fox, says the owner.")

    context.set_offline(False)
    his.locator("[data-index='0'] textarea").press("Control+Enter")
    expect(his.locator("[data-conflict]")).to_contain_text("A black fox, says the owner.")
    expect(his.locator("[data-index='0'] textarea")).to_have_value("A red fox, says Bob.")
    his.get_by_role("button", name="Save mine instead").click()
    expect(page.locator(line)).to_have_text("A red fox, says Bob.")

    open_line(page)
    type_into(his, "A grey fox, says Bob.")
    his.keyboard.press("Control+Enter")
    expect(page.locator("[data-index='0'] textarea")).to_have_value("A grey fox, says Bob.")

    his.get_by_role("button", name="Rename this recording").click()
    his.get_by_role("dialog").get_by_label("Name").fill("Two foxes")
    his.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Two foxes")

    page.goto(page.url)
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Transcribe again…").click()
    page.get_by_role("dialog").get_by_label("Spoken language").select_option("de")
    page.get_by_role("dialog").get_by_role("button", name="Transcribe", exact=True).click()
    his.get_by_role("link", name="Show the other").click()
    expect(his.locator(line)).to_be_visible(timeout=60_000)
    expect(his.locator(line)).not_to_have_text("A grey fox, says Bob.")
