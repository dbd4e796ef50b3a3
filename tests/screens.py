"""Makes the pictures in docs/images: the product with Whisper base, its pages in both themes.

python -m tests.screens [--out FOLDER] [--audio FILE …]

The files become recordings, the first one that of the transcript's page.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from tests.browser.conftest import FLAGS, find_chromium, session_of_staff
from tests.stack import ROOT, Stack, start, stop

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
PATIENCE_SECONDS = 600
PAGES = {
    "library": "/recordings/?by=all",
    "people": "/people/",
    "keys": "/keys/",
    "terms": "/terms/",
    "folders": "/folders/",
    "tags": "/tags/",
    "bin": "/bin/",
    "receipts": "/receipts/",
    "voice": "/voice/",
    "shares": "/shares/",
    "rules": "/rules/",
    "places": "/rules/places/",
    "new-rule": "/rules/new/",
    "webhooks": "/webhooks/",
    "usage": "/usage/",
    "audit": "/audit/",
    "preferences": "/preferences/",
    "security": "/accounts/security/",
    "devices": "/accounts/devices/",
    "examples": "/api/examples/",
}
OPERATORS_PAGES = {
    "operations": "/admin/operations/",
    "queue": "/admin/operations/queue/",
    "failures": "/admin/operations/failures/",
    "engines": "/admin/operations/engines/",
    "latency": "/admin/operations/latency/",
    "admin": "/admin/",
    "tenants": "/admin/tenants/tenant/",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--audio", type=Path, nargs="+", default=[ROOT / "docs" / "samples" / "quick_brown_fox.wav"])
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("There is no Chromium. Install one, or name it in CHROMIUM.", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stack = start(Path(folder))
        try:
            recordings = [heard(stack, file) for file in options.audio]
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            photograph(browser, stack, recordings[0], options.out)
        finally:
            stop(stack)
    return 0


def heard(stack: Stack, file: Path) -> str:
    """Uploads a file with speakers and waits for its text. Returns the recording's id."""
    with httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=PATIENCE_SECONDS) as client:
        with file.open("rb") as audio:
            form = {"word_timestamps": "true", "speakers": "auto"}
            answer = client.post("/api/v1/recordings", files={"file": (file.name, audio)}, data=form)
        answer.raise_for_status()
        recording = answer.json()
        transcription = recording["transcription"]["id"]
        while client.get(f"/api/v1/transcriptions/{transcription}").json()["status"] not in ("completed", "failed"):
            time.sleep(0.2)
    return str(recording["id"])


@dataclass(frozen=True)
class Camera:
    """Takes pictures of pages in one theme, into a folder."""

    browser: Browser
    url: str
    theme: Theme
    out: Path

    def take(
        self, name: str, session: StorageState, address: str, act: Callable[[Page], None] = lambda _page: None
    ) -> None:
        context = self.browser.new_context(
            base_url=self.url, storage_state=session, viewport={"width": 1280, "height": 860}, color_scheme=self.theme
        )
        page = context.new_page()
        page.goto(address)
        page.wait_for_load_state("networkidle")
        act(page)
        file = self.out / f"{name}{'' if self.theme == 'light' else '-dark'}.png"
        page.screenshot(path=file)
        print(file)
        context.close()


def photograph(browser: Browser, stack: Stack, recording: str, out: Path) -> None:
    staff, operator = session_of_staff(browser, stack), session_of_operator(browser, stack)
    transcript = f"/recordings/{recording}/"
    for theme in THEMES:
        camera = Camera(browser, stack.url, theme, out)
        for name, address in PAGES.items():
            camera.take(name, staff, address)
        camera.take("transcript", staff, transcript)
        camera.take("walk", staff, transcript, walk)
        camera.take("share", staff, transcript, share)
        camera.take("subtitles", staff, transcript, subtitles)
        for name, address in OPERATORS_PAGES.items():
            camera.take(name, operator, address)
        camera.take("waterfall", operator, "/admin/operations/", waterfall)


def walk(page: Page) -> None:
    page.get_by_role("button", name="Proofread").first.click()
    page.wait_for_timeout(500)


def share(page: Page) -> None:
    page.get_by_role("button", name="Share…").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def subtitles(page: Page) -> None:
    page.get_by_role("button", name="Subtitles…").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


def waterfall(page: Page) -> None:
    page.locator("a[href*='/operations/transcriptions/']").first.click()
    page.wait_for_load_state("networkidle")


def session_of_operator(browser: Browser, stack: Stack) -> StorageState:
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(stack.credentials["admin_email"])
    page.get_by_label("Password").fill(stack.credentials["admin_password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state("networkidle")
    state = context.storage_state()
    context.close()
    return state


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    sys.exit(main(sys.argv[1:]))
