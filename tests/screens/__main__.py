"""Makes the pictures in docs/images: the product with Whisper base, its pages in both themes.

python -m tests.screens [--language LANGUAGE] [--theme THEME …] [--out FOLDER] [--only NAME …] [--audio FILE …]

The files become recordings, the first one that of the transcript's page; a minute of it at least is needed to catch it
while it runs. In another language than English the pictures go into a folder of that language; Chinese ones want a font
that has its characters (Debian: fonts-noto-cjk).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from tests.browser.conftest import FLAGS, find_chromium
from tests.receiver import listening
from tests.screens.camera import THEMES, Act, Camera, Theme
from tests.screens.names import NAMES
from tests.screens.organisation import (
    Organisation,
    address_of,
    announce,
    fill,
    session_of,
    signed_in,
)
from tests.screens.pages import OPERATORS_PAGES, OWNERS_PAGES, PAGES, PUBLIC_PAGES
from tests.stack import ROOT, Stack, start, stop

IMAGES = ROOT / "docs" / "images"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
FOX = ROOT / "docs" / "samples" / "quick_brown_fox.wav"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a folder; without it, docs/images or one of the language in it")
    parser.add_argument("--language", choices=tuple(NAMES), default="en")
    parser.add_argument("--theme", choices=THEMES, nargs="+", default=THEMES)
    parser.add_argument("--only", nargs="+", default=[], help="names of pictures, without -dark")
    parser.add_argument("--audio", type=Path, nargs="+", default=[FOX])
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("There is no Chromium. Install one, or name it in CHROMIUM.", file=sys.stderr)
        return 1
    out = options.out or (IMAGES if options.language == "en" else IMAGES / options.language)
    out.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)
    with listening() as receiver, running_stack() as stack, sync_playwright() as playwright:
        names = NAMES[options.language]
        flags = [*FLAGS, f"--lang={names.locale}", f"--user-agent={USER_AGENT}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        there = fill(browser, stack, names, options.audio, receiver.url)
        Album(browser, there, out, tuple(options.theme), frozenset(options.only)).fill()
    return 0


@contextmanager
def running_stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as exchange:
        reachable = {"OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8", "OUTBOUND_PLAIN_HTTP": "webhooks"}
        stack = start(Path(data), EXCHANGE_ROOT=exchange, **reachable)
        try:
            yield stack
        finally:
            stop(stack)


@dataclass(frozen=True)
class Album:
    """All pictures of an organisation, or only those that are named."""

    browser: Browser
    there: Organisation
    out: Path
    themes: tuple[Theme, ...]
    only: frozenset[str]

    def fill(self) -> None:
        names, address = self.there.names, address_of(self.there.stack)
        cameras = [Camera(self.browser, address, theme, names.locale, self.out) for theme in self.themes]
        for camera in cameras:
            self.take_owners(camera)
            self.take_guests(camera)
        page = signed_in(self.browser, self.there.stack, "admin")
        announce(page, names)
        page.context.close()
        for camera in cameras:
            self.take_operators(camera)
            self.take_running(camera)

    def take(
        self,
        camera: Camera,
        name: str,
        session: StorageState | None,
        address: str,
        act: Act | None = None,
        whole: bool = True,
    ) -> None:
        if not self.only or name in self.only:
            camera.take(name, session, address, act, whole)

    def take_owners(self, camera: Camera) -> None:
        staff = session_of(self.browser, self.there.stack, "staff")
        again = partial(show_again, password=self.there.stack.credentials["staff_password"])
        for name, address in OWNERS_PAGES.items():
            self.take(camera, name, staff, address, again)
        for name, address in (PAGES | self.there.pages).items():
            self.take(camera, name, staff, address, whole=name != "library")
        self.take(camera, "many", staff, "/recordings/?by=all", pick, whole=False)
        self.take(camera, "search", staff, f"/recordings/?by=all&search={self.there.word}", scroll_to_list, whole=False)
        self.take(camera, "replace", staff, "/recordings/substitutions/?by=all", partial(look, self.there.word))
        transcript = f"/recordings/{self.there.shown}/"
        self.take(camera, "transcript", staff, transcript, whole=False)
        for name, opener in {"walk": "[data-walk-start]", "share": "[data-open-dialog=share]"}.items():
            self.take(camera, name, staff, transcript, partial(press, opener), whole=False)
        self.take(camera, "subtitles", staff, transcript, partial(press, "[data-open-dialog=subtitles]"), whole=False)
        history = f"/transcriptions/{self.there.recordings[0]['transcription']['id']}/history/"
        self.take(camera, "history", staff, history)

    def take_guests(self, camera: Camera) -> None:
        for name, address in PUBLIC_PAGES.items():
            self.take(camera, name, None, address)
        self.take(camera, "invitation", None, self.there.invitation)
        self.take(camera, "guest", None, self.there.link, whole=False)

    def take_operators(self, camera: Camera) -> None:
        operator = session_of(self.browser, self.there.stack, "admin")
        for name, address in OPERATORS_PAGES.items():
            self.take(camera, name, operator, address, whole=name != "operations")
        self.take(camera, "tenant", operator, "/admin/tenants/tenant/", first_row)
        self.take(camera, "waterfall", operator, "/admin/operations/", waterfall)

    def take_running(self, camera: Camera) -> None:
        """Transcribes the recording that is shown anew, and takes its page meanwhile."""
        if self.only and "running" not in self.only:
            return
        staff = session_of(self.browser, self.there.stack, "staff")
        again = partial(self.transcribe_again, beam_size=9 if camera.theme == "light" else 10)
        camera.take("running", staff, f"/recordings/{self.there.shown}/", again, whole=False)

    def transcribe_again(self, page: Page, beam_size: int) -> None:
        """Orders it, as slowly as it goes, and waits for the first lines of the text."""
        with httpx.Client(base_url=self.there.stack.url, headers=self.there.api.headers) as client:
            address = f"/api/v1/recordings/{self.there.shown}/transcriptions"
            client.post(address, json={"beam_size": beam_size, "mode": "exact"}).raise_for_status()
        page.reload(wait_until="domcontentloaded")
        expect(page.locator("[data-text] .segment").first).to_be_visible()


def show_again(page: Page, password: str) -> None:
    """Gives the password where the page asks for it first."""
    if "/again/" in page.url:
        page.locator("[name=password]").fill(password)
        page.locator("main button[type=submit]").first.click()
        page.wait_for_load_state("networkidle")


def press(opener: str, page: Page) -> None:
    page.locator(opener).first.dispatch_event("click")
    page.wait_for_timeout(500)


def pick(page: Page) -> None:
    for box in page.locator("[data-pick]").all()[:3]:
        box.check()


def scroll_to_list(page: Page) -> None:
    page.locator("[data-library]").evaluate("list => list.scrollIntoView()")


def look(word: str, page: Page) -> None:
    page.locator("#find").fill(word)
    page.locator("#replacement").fill(word.upper())
    page.locator("[data-look]").click()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".replace__hit").first).to_be_visible()


def first_row(page: Page) -> None:
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_load_state("networkidle")


def waterfall(page: Page) -> None:
    page.locator("a[href*='/operations/transcriptions/']").first.click()
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    sys.exit(main(sys.argv[1:]))
