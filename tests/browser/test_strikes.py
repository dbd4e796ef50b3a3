"""Alice strikes a word out of a transcript and speaks of it with Bob, who only reads, in two real browsers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture, invited
from tests.browser.test_portal import open_transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SAVE_TWICE = """() => {
    const area = document.getElementById("comment-text");
    for (let time = 0; time < 2; time += 1)
        area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
}"""
SELECT_FIRST_WORD = """() => {
    const shown = document.querySelector(".segment__text");
    const walker = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
    const node = walker.nextNode();
    const range = new Range();
    range.setStart(node, 0);
    range.setEnd(node, node.data.trimStart().indexOf(" "));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""


def test_what_is_struck_out_a_viewer_neither_reads_nor_hears_and_may_comment_on(
    page: Page, open_context: Callable[..., BrowserContext], fox: Path, tmp_path: Path, picture: Picture
) -> None:
    his = invited(page, "bob@strikes.example", open_context(), "Viewer")
    page.goto("/recordings/")
    open_transcript(page, fox, tmp_path, "a fox in private.wav")
    his.goto(page.url)
    line, bar = page.locator(".segment__text").first, page.locator("[data-strikes]")
    spoken = line.inner_text()

    page.evaluate(SELECT_FIRST_WORD)
    page.keyboard.press("x")
    expect(page.locator(".segment__text .struck")).to_be_visible()
    expect(line).to_have_text(spoken)
    expect(bar).to_contain_text("Something is struck out of 1 line")
    hidden = page.locator(".segment__text .struck").first.inner_text()
    expect(his.locator(".segment__text").first).to_contain_text("█████")
    expect(his.locator("[data-transcript]")).not_to_contain_text(re.compile(rf"\b{re.escape(hidden)}\b"))
    picture(page, "struck")
    picture(his, "struck for a viewer")

    page.locator("[data-undo]").click()
    expect(page.locator(".struck")).to_have_count(0)
    expect(his.locator(".segment__text").first).to_have_text(spoken)
    page.locator("[data-redo]").click()
    expect(page.locator(".struck").first).to_be_visible()
    address = page.locator("[data-when-struck]:not([hidden])").get_attribute("href")
    assert address
    for _second in range(60):
        answer = his.request.get(address)
        if answer.status == 200:
            break
        assert answer.status == 503
        his.wait_for_timeout(500)
    assert answer.headers["content-type"] == "audio/mp4"

    his.locator("button.segment__time").first.focus()
    his.keyboard.press("c")
    field = his.get_by_label("Comment on 0:00")
    field.press_sequentially("Who is this, @own")
    his.locator("#comment-people").get_by_role("option").first.click()
    expect(field).to_have_value(re.compile(r"Who is this, @owner@example\.com $"))
    picture(his, "comment written")
    his.evaluate(SAVE_TWICE)
    expect(his.locator("[data-notes]")).to_have_text("1")
    thread = page.locator("[data-comments-list] > li")
    expect(thread).to_contain_text("Who is this, @owner@example.com")
    expect(page.locator("[data-notes]")).to_be_visible()
    his_thread = his.locator("[data-comments-list] > li", has_text="Who is this")
    his_reply = his_thread.get_by_role("button", name="Reply")
    his_reply.focus()
    thread.get_by_role("button", name="Reply").click()
    page.get_by_label("Reply", exact=True).fill("Nobody may say.")
    page.locator("[data-comment-form]").get_by_role("button", name="Save").click()
    expect(his.locator("[data-comments-list]")).to_contain_text("Nobody may say.")
    expect(his_reply).to_be_focused()
    page.evaluate(SELECT_FIRST_WORD)
    page.locator("[data-highlight='3']").click()
    expect(page.locator("[data-comments-count]")).to_have_text("2 open, 0 resolved")
    expect(his.locator("[data-comments-count]")).to_have_text("2 open, 0 resolved")
    expect(his_reply).to_be_focused()
    picture(page, "comments")
    page.emulate_media(color_scheme="dark")
    picture(page, "comments in the dark")
    page.set_viewport_size({"width": 390, "height": 800})
    picture(page, "comments on a phone", full_page=True)
    thread.first.get_by_role("button", name="Resolve").click()
    expect(page.locator("[data-comments-count]")).to_have_text("1 open, 1 resolved")
    expect(his.locator("[data-comments-count]")).to_have_text("1 open, 1 resolved")
