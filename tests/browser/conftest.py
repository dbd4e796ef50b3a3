"""A real Chromium against the product with the scripted engine. Whatever a page complains about fails its test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Response, StorageState, expect, sync_playwright

from tests.stack import ROOT, Stack, start_scripted, stop

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
# The shell is Chromium without a browser's windows: a page takes a third of the processor's time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60_000
# What slides in may come between a press and its release.
STILL = {"reduced_motion": "reduce"}
MESSAGES = ".toast, [role=alert], .field__errors"
PASSWORD = "a horse that two may ride"
EXPECTED_NOISE = ("the server responded with a status of 4", "ERR_INTERNET_DISCONNECTED")
WATCH_POLICY = """
    document.addEventListener("securitypolicyviolation", (event) => console.error(
        `CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
SignIn = Callable[..., Page]
Picture = Callable[..., None]


def find_chromium() -> str | None:
    given = os.environ.get("CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="package")
def scripted_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product with an engine that hears the fox in every sound; it ends with this folder's tests."""
    allowed = {"OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8", "OUTBOUND_PLAIN_HTTP": "downloads,sign-in"}
    running = start_scripted(tmp_path_factory.mktemp("scripted"), **allowed)
    yield running
    stop(running)


@pytest.fixture(scope="package")
def stack(scripted_stack: Stack) -> Stack:
    return scripted_stack


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all tests of this folder: playwright's event loop must be gone before asyncio's tests run."""
    path = find_chromium()
    if path is None:
        warnings.warn("NO BROWSER TEST RAN: there is no Chromium. Install one, or name it in CHROMIUM.", stacklevel=1)
        pytest.skip("NO BROWSER TEST RAN: there is no Chromium. Install one, or name it in CHROMIUM.")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What pages wrote to the console as errors; empty at the end of a good test."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def open_context(browser: Browser, stack: Stack, complaints: list[str]) -> Iterator[Callable[..., BrowserContext]]:
    contexts: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        context = browser.new_context(
            **{"base_url": stack.url, "viewport": {"width": 1280, "height": 860}, **STILL, **options}  # type: ignore[arg-type]
        )
        context.set_default_timeout(PATIENCE)
        context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        context.add_init_script(WATCH_POLICY)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("console", lambda said: _hear(complaints, said.type, said.text))
        context.on("response", lambda answer: _print_refused(answer))
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        for page in context.pages:
            with suppress(Error):  # a page that is going elsewhere
                print(page.url, page.locator(MESSAGES).all_text_contents())  # pytest shows it where a test fails
        context.close()


def _print_refused(answer: Response) -> None:
    if answer.status >= 400:
        print(answer.status, answer.request.method, answer.url, answer.request.post_data)


def _hear(complaints: list[str], kind: str, text: str) -> None:
    if kind == "error" and not any(noise in text for noise in EXPECTED_NOISE):
        complaints.append(text)


def run(stack: Stack, code: str) -> str:
    """Runs code in the product's shell, and returns what it prints."""
    environment = {**os.environ, "PORTAL_DATA": str(stack.data), "DJANGO_SETTINGS_MODULE": "tests.scripted.settings"}
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return done.stdout


def session_of_staff(browser: Browser, stack: Stack) -> StorageState:
    """Signs in as the stack's member of staff; the browser's cookies afterwards."""
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Email").fill(stack.credentials["staff_email"])
    page.get_by_label("Password").fill(stack.credentials["staff_password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/recordings/")
    state = context.storage_state()
    context.close()
    return state


def invited(page: Page, email: str, context: BrowserContext, role: str = "Editor") -> Page:
    """Invites somebody, and returns a page on which they have joined."""
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Role").first.select_option(label=role)
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.locator(f"tr:has-text('{email}') code").text_content()
    assert link
    theirs = context.new_page()
    theirs.goto(link)
    theirs.get_by_label("First name").fill("Bob")
    theirs.get_by_label("Password", exact=True).fill(PASSWORD)
    theirs.get_by_label("Password confirmation").fill(PASSWORD)
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.locator(".toast")).to_contain_text(f"Your role is {role}.")
    return theirs


@pytest.fixture(scope="package")
def signed_in(browser: Browser, stack: Stack) -> StorageState:
    """One session for all tests of this folder."""
    return session_of_staff(browser, stack)


@pytest.fixture
def sign_in(open_context: Callable[..., BrowserContext], signed_in: StorageState) -> SignIn:
    """Opens the library as the stack's member of staff; options are the browser context's."""

    def enter(**options: object) -> Page:
        page = open_context(storage_state=signed_in, **options).new_page()
        page.goto("/recordings/")
        return page

    return enter


@pytest.fixture
def page(sign_in: SignIn) -> Page:
    return sign_in()


@pytest.fixture
def picture() -> Picture:
    """Takes pictures to be looked at, where PORTAL_SCREENSHOTS names a folder for them: they cost as much as pages."""
    folder = os.environ.get("PORTAL_SCREENSHOTS")

    def take(page: Page, name: str, *, full_page: bool = False) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=full_page)

    return take
