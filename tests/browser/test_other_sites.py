"""A page of another site in a real browser, with other people's clients in it: OpenAI's SDK and tus-js-client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests import stack as product
from tests.portal.api import node_sdk
from tests.portal.api.test_openai_sdk import says_fox
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TRANSCRIBE = """async ([baseURL, apiKey]) => {
    const { default: OpenAI } = await import("/openai/index.mjs");
    const client = new OpenAI({ baseURL, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 });
    const file = new File([await (await fetch("/speech.wav")).blob()], "speech.wav");
    const asked = { model: "whisper-1", file, include: ["logprobs"] };
    const { data, response } = await client.audio.transcriptions.create(asked).withResponse();
    return [data.text, response.headers.get("x-ignored-parameters"), response.headers.get("x-request-id")];
}"""
REFUSED = """async ([baseURL]) => {
    const { default: OpenAI } = await import("/openai/index.mjs");
    const client = new OpenAI({ baseURL, apiKey: "wp_wrong", dangerouslyAllowBrowser: true, maxRetries: 0 });
    return await client.models.list().catch((error) => [error.constructor.name, error.status]);
}"""
UPLOAD = """async ([endpoint, apiKey]) => {
    await new Promise((resolve, reject) => {
        document.head.append(Object.assign(document.createElement("script"), {
            src: "/tus-js-client/dist/tus.min.js", onload: resolve, onerror: reject,
        }));
    });
    const file = await (await fetch("/speech.wav")).blob();
    return await new Promise((resolve, reject) => new tus.Upload(file, {
        endpoint,
        headers: { Authorization: `Bearer ${apiKey}` },
        metadata: { filename: "speech.wav" },
        chunkSize: 30_000,
        retryDelays: null,
        onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("Upload-Recording")),
        onError: reject,
    }).start());
}"""
WITH_COOKIES = """async ([address]) =>
    await fetch(address, { credentials: "include" }).then(() => "read", () => "kept")
"""


class Quietly(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serves a folder; the origin of its pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quietly, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fox: Path) -> Path:
    node_sdk.install()
    made = tmp_path_factory.mktemp("site")
    for package in ("openai", "tus-js-client"):
        (made / package).symlink_to(node_sdk.FOLDER / "node_modules" / package)
    (made / "speech.wav").symlink_to(fox)
    (made / "index.html").write_text("<!doctype html><title>Another site</title>")
    return made


@pytest.fixture(scope="module")
def allowed(folder: Path) -> Iterator[str]:
    with site(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def portal(allowed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = product.start_scripted(tmp_path_factory.mktemp("cors"), CORS_ALLOWED_ORIGINS=allowed)
    yield running
    product.stop(running)


def sign_in(page: Page, portal: Stack) -> None:
    page.goto(f"{portal.url}/accounts/login/")
    page.get_by_label("Email").fill(portal.credentials["staff_email"])
    page.get_by_label("Password").fill(portal.credentials["staff_password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/recordings/")


def test_a_page_of_an_allowed_site_uses_both_apis_and_no_cookie(
    browser: Browser, portal: Stack, allowed: str, folder: Path
) -> None:
    """The person is signed in here in the same browser, and both are one site to it: cookies would go along."""
    page = browser.new_page()
    sign_in(page, portal)
    page.goto(allowed)
    api = [f"{portal.url}/v1", portal.api_key]
    text, ignored, request_id = page.evaluate(TRANSCRIBE, api)
    assert (says_fox(text), ignored, request_id[:4]) == (True, "include[]", "req_")
    assert page.evaluate(REFUSED, api) == ["AuthenticationError", 401]
    uploaded = page.evaluate(UPLOAD, [f"{portal.url}/api/v1/uploads", portal.api_key])
    assert uploaded.startswith("/api/v1/recordings/")
    for path in ("/recordings/", "/api/v1/uploads", "/accounts/login/", "/admin/"):
        assert page.evaluate(WITH_COOKIES, [f"{portal.url}{path}"]) == "kept"
    with site(folder) as stranger:
        page.goto(stranger)
        assert page.evaluate(REFUSED, api) == ["APIConnectionError", None]
    page.close()
