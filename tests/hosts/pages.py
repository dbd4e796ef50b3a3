"""Somebody who uploads on the portal's page, presses "Try again" where it says so, and waits there for the text."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import psycopg
from playwright.sync_api import Error, Page, expect, sync_playwright

from tests.browser.conftest import FLAGS, find_chromium
from tests.chaos import recordings
from tests.chaos.callers import Accepted
from tests.chaos.expected import mode_of
from tests.chaos.recordings import Made
from tests.hosts.installation import EMAIL, PASSWORD, Installation
from tests.waiting import until

FIRST_NUMBER = 9000
SECONDS = 12.0
LARGE_BYTES = 17 * 1024**2
"""More than the page sends at once: it goes in pieces."""

AUTOMATIC = "fast"
"""The mode of what names none."""

PATIENCE_SECONDS = 180.0
STATE = """name => [...document.querySelectorAll("[data-uploads] li")].find(one => one.textContent.includes(name))
    ?.className ?? "" """


class Browser:
    """One page, which is opened once and never loaded again."""

    def __init__(self, installation: Installation, seed: int, on_made: Callable[[Made], None]) -> None:
        self.accepted: list[Accepted] = []
        self.slowest_text = 0.0
        self.problem = ""
        self._installation = installation
        self._seed = seed
        self._on_made = on_made
        self._is_in = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="browser", daemon=True)

    def start(self) -> None:
        """Returns when somebody is signed in."""
        self._thread.start()
        self._is_in.wait(PATIENCE_SECONDS)

    def finish(self) -> None:
        """Returns when the last file is text on the page."""
        self._ending.set()
        self._thread.join(2 * PATIENCE_SECONDS)

    def _run(self) -> None:
        try:
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
                page = chromium.new_context(base_url=self._installation.url, ignore_https_errors=True).new_page()
                _sign_in(page, EMAIL)
                self._is_in.set()
                for number in count(FIRST_NUMBER):
                    if self._ending.is_set():
                        break
                    if mode_of(Path(f"{number}.wav")) == AUTOMATIC:
                        self._upload(page, self._make(number))
                chromium.close()
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"[:1000]
            self._is_in.set()

    def _make(self, number: int) -> Made:
        """Every other one is large, by what follows its sound."""
        made = recordings.make_of(self._seed, number, self._installation.media, SECONDS)
        if len(self.accepted) % 2:
            with made.file.open("ab") as file:
                file.write(b"JUNK" + struct.pack("<I", LARGE_BYTES) + bytes(LARGE_BYTES))
        self._on_made(made)
        return made

    def _upload(self, page: Page, made: Made) -> None:
        """Raises TimeoutError where the page does not get there."""
        began, name = time.monotonic(), made.file.name
        page.locator("[data-drop] input").set_input_files(str(made.file))
        while "is-done" not in page.evaluate(STATE, name):
            if time.monotonic() > began + PATIENCE_SECONDS:
                raise TimeoutError(f"{name} is not accepted: {page.locator('[data-uploads]').all_text_contents()}")
            with suppress(Error):
                page.locator("[data-uploads]").get_by_role("button", name="Try again").first.click(timeout=300)
            page.wait_for_timeout(200)
        moment, seconds = time.time(), time.monotonic() - began
        self.accepted.append(self._found(made, seconds, moment))
        row = page.locator(".row", has_text=name)
        expect(row).to_contain_text("Done", timeout=1000 * PATIENCE_SECONDS)
        self.slowest_text = max(self.slowest_text, time.time() - moment)

    def _found(self, made: Made, seconds: float, moment: float) -> Accepted:
        query = """select t.tenant_id::text, t.recording_id::text, t.id::text from transcription_transcription t
                   join transcription_recording r on r.id = t.recording_id where r.name = %s"""
        found = until(lambda: self._rows(query, made.file.name), PATIENCE_SECONDS, f"the row of {made.file.name}")
        tenant, recording, transcription = found[0]
        return Accepted(made, tenant, "", recording, transcription, seconds, moment)

    def _rows(self, query: str, *values: str) -> list[tuple[str, ...]]:
        """Nothing while the database is away."""
        with suppress(psycopg.Error):
            return self._installation.watch.rows(query, *values)
        return []


def _sign_in(page: Page, email: str) -> None:
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    page.goto("/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/recordings/")
