"""Alice shares a recording; Guest, who has no account, hears and reads it in a real browser until she ends it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import audio_time, open_transcript
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
READY = """async (link) => {
    while (!(await fetch(`${link}sound`, {method: "HEAD"})).ok) await new Promise((done) => setTimeout(done, 200));
}"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The origin of another site, whose pages are the files of the test's folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def look_again(page: Page) -> None:
    """The page asks at once for what differs, as it does when somebody comes back to it."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_guest_hears_reads_and_searches_until_the_link_is_revoked(
    page: Page,
    fox: Path,
    tmp_path: Path,
    open_context: Callable[..., BrowserContext],
    picture: Picture,
) -> None:
    open_transcript(page, fox, tmp_path, "shared.wav")
    page.get_by_role("button", name="Share…").click()
    dialog = page.get_by_role("dialog", name="Share")
    dialog.get_by_label("For whom?").fill("The editor")
    dialog.get_by_text("Password, limits, excerpt, embedding in a site").click()
    dialog.get_by_label("Password").fill("winter morning")
    picture(page, "sharing-dialog")
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.get_by_role("button", name="Copy")).to_be_focused()
    dialog.get_by_role("button", name="Copy").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/s/[\w-]{32}/", link)
    picture(page, "sharing-made")

    guest = open_context(viewport={"width": 390, "height": 800}).new_page()
    guest.goto(link)
    expect(guest.get_by_role("heading", name="Shared with you")).to_be_visible()
    assert "shared.wav" not in guest.content()
    picture(guest, "sharing-door")
    guest.get_by_label("Password").fill("winter morning")
    guest.keyboard.press("Enter")
    expect(guest.get_by_role("heading", name="shared.wav")).to_be_visible()
    guest.evaluate(READY, link)  # the sweeper makes the sound
    guest.reload()
    guest.get_by_role("button", name="Play").click()
    expect(guest.locator(".segment.is-spoken")).to_have_count(1)
    guest.get_by_role("searchbox").fill("fox")
    expect(guest.get_by_text(re.compile(r"1 (of|/) \d"))).to_be_visible()
    guest.locator(".segment__text").first.click()
    assert audio_time(guest) >= 0
    picture(guest, "sharing-guest")
    assert {cookie["name"] for cookie in guest.context.cookies()} == {"opened"}
    guest.context.clear_cookies()  # as after twelve hours
    look_again(guest)
    guest.get_by_label("Password").fill("winter morning")
    guest.keyboard.press("Enter")
    expect(guest.get_by_role("heading", name="shared.wav")).to_be_visible()

    page.get_by_role("button", name="Close").last.click()
    page.reload()
    page.get_by_role("button", name="Share…").click()
    dialog.get_by_role("link", name="The editor").click()
    expect(page.get_by_role("heading", name="Who opened it")).to_be_visible()
    picture(page, "sharing-visitors")
    page.get_by_role("button", name="Revoke the link The editor").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The link was revoked.")).to_be_visible()
    look_again(guest)
    expect(guest.get_by_role("heading", name="This link has ended.")).to_be_visible()
    assert "fox" not in guest.content()
    picture(guest, "sharing-ended")
    guest.reload()
    expect(guest.get_by_role("heading", name="This link leads nowhere")).to_be_visible()


def test_a_guest_comments_and_corrects_by_a_link_and_alice_answers(
    page: Page, fox: Path, tmp_path: Path, open_context: Callable[..., BrowserContext], picture: Picture
) -> None:
    open_transcript(page, fox, tmp_path, "commented.wav")
    page.get_by_role("button", name="Share…").click()
    dialog = page.get_by_role("dialog", name="Share")
    dialog.get_by_label("For whom?").fill("The editor")
    dialog.get_by_label("Anyone with the link can").select_option("Comment and correct, too")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.locator("#share-link").inner_text()
    page.get_by_role("button", name="Close").last.click()

    guest = open_context(viewport={"width": 390, "height": 800}).new_page()
    guest.goto(link)
    guest.locator(".segment__time").first.focus()
    guest.get_by_role("button", name="Comment", exact=True).click()
    guest.get_by_role("textbox", name="Comment on").fill("Is it brown?")
    guest.get_by_role("button", name="Save").click()
    expect(guest.get_by_role("alert").filter(has_text="Say who you are first")).to_be_visible()
    guest.get_by_label("Your name").fill("Jané")
    guest.get_by_role("button", name="Save").click()
    comments = guest.get_by_role("region", name="Comments")
    expect(comments.get_by_text("Is it brown?")).to_be_visible()
    picture(guest, "sharing-comments")
    assert guest.context.cookies() == []

    heard = page.get_by_role("region", name="Comments")
    expect(heard.get_by_text("Jané (by link The editor)")).to_be_visible()
    heard.get_by_role("button", name="Reply").click()
    heard.get_by_role("textbox", name="Reply").fill("It is.")
    heard.get_by_role("button", name="Save").click()
    expect(heard.get_by_text("It is.")).to_be_visible()
    look_again(guest)
    expect(comments.get_by_text("It is.")).to_be_visible()
    guest.reload()
    expect(guest.get_by_label("Your name")).to_have_value("Jané")
    expect(comments.get_by_role("button", name="Edit")).to_have_count(1)

    line = guest.locator(".segment").first
    line.locator(".segment__time").focus()
    guest.keyboard.press("Tab")
    expect(line.get_by_role("button", name="Correct this text, 0:00")).to_be_focused()
    guest.keyboard.press("Enter")
    line.get_by_role("textbox").fill("The quick red fox.")
    line.get_by_role("button", name="Save").click()
    expect(line.locator(".segment__text")).to_have_text("The quick red fox.")
    expect(page.locator(".segment__text").first).to_have_text("The quick red fox.")
    picture(guest, "sharing-corrected")
    page.reload()
    page.get_by_role("link", name="1 correction").click()
    expect(page.get_by_text("Jané (by link The editor)")).to_be_visible()
    page.get_by_role("button", name="Back to the machine’s text").click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    expect(page.get_by_text("as it was transcribed again")).to_be_visible()
    line.locator(".segment__time").focus()
    look_again(guest)
    expect(line.locator(".segment__text")).not_to_have_text("The quick red fox.")
    expect(line.locator(".segment__time")).to_be_focused()


def test_the_site_that_a_link_names_shows_the_player_with_captions(
    page: Page, fox: Path, tmp_path: Path, site: str, stack: Stack, picture: Picture
) -> None:
    open_transcript(page, fox, tmp_path, "embedded.wav")
    address = page.url.replace("/recordings/", "/api/v1/recordings/") + "shares"
    headers = {"Authorization": f"Bearer {stack.credentials['api_key']}"}
    link = httpx.post(address, headers=headers, json={"origins": [site]}).json()["url"]
    (tmp_path / "index.html").write_text(
        f'<title>Acme</title><iframe src="{link}embed" width="600" height="260"></iframe>'
    )
    page.goto(link)
    page.evaluate(READY, link)
    page.goto(site)
    player = page.frame_locator("iframe")
    player.get_by_role("button", name="Play").click()
    expect(player.locator(".embed__captions")).to_contain_text("fox")
    picture(page, "sharing-embedded")
