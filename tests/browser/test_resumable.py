"""Large files in a real browser: pieces, a pause, a lost connection, a reload."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Page, TimeoutError, expect

from tests.browser.test_portal import choose, row
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SLOW = 4 * 1024 * 1024


@pytest.fixture
def large(make_media: MakeMedia) -> Path:
    """Two minutes of a tone in 22 MB."""
    return make_media.tone("town hall.wav", 120, "-ar", "48000", "-ac", "2")


@pytest.fixture
def line(page: Page) -> CDPSession:
    """The page's connection, with an upload rate of a few megabytes a second."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    throttle(session, SLOW)
    return session


def throttle(line: CDPSession, rate: int, offline: bool = False) -> None:
    conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
    line.send("Network.emulateNetworkConditions", conditions)


@pytest.fixture
def offsets(page: Page) -> list[int]:
    """Where each piece began."""
    heard: list[int] = []
    page.on(
        "request",
        lambda request: heard.append(int(request.headers["upload-offset"])) if request.method == "PATCH" else None,
    )
    return heard


def stop_transcribing(page: Page, name: str) -> None:
    """The stack is the whole session's: its engine need not hear two minutes of a tone."""
    delete = row(page, name).first.get_by_role("button", name="Delete")
    while not page.get_by_role("dialog").is_visible():
        # A row that changes its state meanwhile is drawn anew, its menu closed.
        with suppress(TimeoutError):
            if not delete.is_visible():
                row(page, name).first.locator("summary").click(timeout=1000)
            delete.click(timeout=1000)
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("was deleted")


def test_a_large_file_pauses_goes_on_and_survives_the_loss_of_its_connection(
    page: Page, line: CDPSession, offsets: list[int], large: Path
) -> None:
    choose(page, large)
    upload = page.locator(".upload")
    expect(upload.locator(".upload__note")).to_have_text(re.compile(r"\d.* of 22\.0\sMB, .* a second"))
    page.get_by_role("button", name="Pause town hall.wav").click()
    expect(upload.locator(".upload__note")).to_contain_text("Paused.")
    throttle(line, SLOW, offline=True)
    page.get_by_role("button", name="Continue town hall.wav").click()
    expect(upload.locator(".upload__note")).to_have_text("The connection broke. Trying again…")
    throttle(line, -1)
    expect(page.locator(".upload.is-done")).to_be_visible(timeout=30_000)
    expect(row(page, "town hall.wav").first).to_be_visible()
    assert offsets[0] == 0
    assert len(offsets) >= 2
    assert offsets == sorted(offsets)
    assert offsets[1] > 0
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('uploads::')).length") == 0
    stop_transcribing(page, "town hall.wav")


def test_after_a_reload_the_same_file_goes_on_where_it_stopped(
    page: Page, line: CDPSession, offsets: list[int], large: Path
) -> None:
    choose(page, large)
    expect(page.locator(".upload__note")).to_contain_text("a second")
    expect(page.locator(".upload__note")).to_have_text(re.compile(r"^([89]|1\d)\.\d\sMB of"))
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    throttle(line, -1)
    choose(page, large)
    expect(page.locator(".upload.is-done")).to_be_visible(timeout=30_000)
    assert offsets[0] == 0
    assert offsets[-1] > 2_000_000
    stop_transcribing(page, "town hall.wav")


def test_a_large_file_is_sent_where_the_browser_forbids_storage(page: Page, large: Path) -> None:
    forbidden = "{get() { throw new DOMException('forbidden', 'SecurityError') }}"
    page.add_init_script(f"Object.defineProperty(window, 'localStorage', {forbidden})")
    page.reload()
    choose(page, large)
    expect(page.locator(".upload.is-done")).to_be_visible(timeout=30_000)
    stop_transcribing(page, "town hall.wav")


def test_a_cancelled_upload_is_deleted_on_the_server(page: Page, line: CDPSession, large: Path) -> None:
    choose(page, large)
    expect(page.locator(".upload__note")).to_contain_text("a second")
    with page.expect_response(lambda answer: answer.request.method == "DELETE" and answer.status == 204):
        page.get_by_role("button", name="Cancel town hall.wav").click()
    expect(page.locator(".upload")).to_have_count(0)


def test_a_large_file_that_is_no_sound_says_why(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "large.txt"
    text.write_bytes(b"not a sound " * 1_500_000)
    choose(page, text)
    expect(page.locator(".upload.is-failed")).to_contain_text("not audio")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
