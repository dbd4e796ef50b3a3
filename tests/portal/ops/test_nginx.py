"""docker/nginx.conf in a real nginx, in front of the product."""

from __future__ import annotations

import getpass
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import nginx
from tests.stack import ROOT, Stack, free_port, start_scripted, stop
from tests.waiting import until

pytestmark = [pytest.mark.product, pytest.mark.skipif(not nginx.NGINX, reason="no nginx is installed")]


@dataclass(frozen=True)
class Front:
    """A running nginx."""

    https: httpx.Client
    context: ssl.SSLContext
    plain_url: str
    folder: Path


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product that leaves its media to nginx."""
    running = start_scripted(tmp_path_factory.mktemp("stack"), ACCEL_MEDIA="/media-files/")
    yield running
    stop(running)


@contextmanager
def nginx_of(installation: Stack, folder: Path, media: Path) -> Iterator[Front]:
    """nginx with the shipped file, but for its ports, folders and the name of the web process."""
    plain, secure = free_port(), free_port()
    webs = [installation.url.removeprefix("http://")]
    command = nginx.command(folder, "127.0.0.1", plain, secure, webs, "https://localhost", media)
    process = subprocess.Popen([*command, "-g", f"user {getpass.getuser()};"])
    context = ssl.create_default_context(cafile=str(nginx.certificate(folder)))
    try:
        with httpx.Client(base_url=f"https://localhost:{secure}", verify=context, timeout=30) as client:
            _wait_for(client, process)
            yield Front(client, context, f"http://127.0.0.1:{plain}", folder)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def front(installation: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with nginx_of(installation, tmp_path_factory.mktemp("nginx"), installation.data / "media") as running:
        yield running


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        assert process.poll() is None
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx doesn't answer")


def test_pages_and_their_cookies_go_over_https_only(front: Front) -> None:
    moved = httpx.get(f"{front.plain_url}/recordings/?q=x")
    assert (moved.status_code, moved.headers["location"]) == (308, "https://127.0.0.1/recordings/?q=x")
    page = front.https.get("/accounts/login/")
    assert page.status_code == 200
    assert page.headers["strict-transport-security"] == "max-age=31536000"


def test_also_what_nginx_itself_answers_says_so(front: Front) -> None:
    refused = front.https.get("/metrics")
    assert (refused.status_code, refused.headers["strict-transport-security"]) == (404, "max-age=31536000")


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_what_is_for_other_containers_is_not_for_strangers(front: Front, path: str) -> None:
    assert front.https.get(path).status_code == 404


def test_a_clip_is_transcribed_through_it(front: Front, installation: Stack) -> None:
    sample = (ROOT / "docs" / "samples" / "quick_brown_fox.wav").read_bytes()
    form = {"model": "whisper-1", "response_format": "text"}
    answer = front.https.post(
        "/v1/audio/transcriptions", data=form, files={"file": ("fox.wav", sample)}, headers=installation.bearer
    )
    assert "quick brown fox" in answer.text.lower()


def logged(front: Front, answer: httpx.Response) -> dict[str, Any]:
    """Returns the line of the access log for a request, which nginx writes after its answer."""

    def line() -> str | None:
        lines = (front.folder / "access.log").read_text().splitlines(keepends=True)
        return next((one for one in lines if answer.headers["x-request-id"] in one and one.endswith("\n")), None)

    found: dict[str, Any] = json.loads(until(line) or "")
    return found


def test_the_log_has_the_request_and_neither_its_query_nor_the_key_of_a_link(front: Front) -> None:
    front.https.get("/accounts/password/reset/key/abc-secretkey/?q=what+was+said")
    answer = front.https.get("/health?q=what+was+said")
    line = logged(front, answer)
    assert (line["method"], line["path"], line["status"], line["client"]) == ("GET", "/health", 200, "127.0.0.1")
    assert line["bytes"] > 0
    assert line["seconds"] >= 0
    lines = (front.folder / "access.log").read_text()
    assert "what" not in lines
    assert "secretkey" not in lines


def test_the_access_log_is_text_whatever_is_asked_for(front: Front) -> None:
    asked = front.https.get("/from/%ff%fe/strangers")
    line = logged(front, asked)
    assert line["path"] == "/from/…"


def test_the_error_log_has_no_address_that_is_a_secret(front: Front) -> None:
    """A body that is too large is an error of nginx's own, and logged with its request."""
    address = (front.https.base_url.host, front.https.base_url.port)
    for path in ("/api/v1/recordings", "/s/secretlink/", "/accounts/invitations/a-secretkey/"):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {7 * 1024**3}\r\n\r\n"
        with (
            socket.create_connection(address) as plain,
            front.context.wrap_socket(plain, server_hostname="localhost") as sent,
        ):
            sent.sendall(head.encode())
            assert b" 413 " in sent.recv(64)
    lines = (front.folder / "error.log").read_text()
    assert "POST /api/v1/recordings" in lines
    assert "secretlink" not in lines
    assert "secretkey" not in lines


@pytest.fixture(scope="module")
def recording(installation: Stack) -> str:
    """One whose sound its owner hears by nginx."""
    sample = (ROOT / "docs" / "samples" / "quick_brown_fox.wav").read_bytes()
    sent = httpx.post(
        f"{installation.url}/api/v1/recordings", files={"file": ("fox.wav", sample)}, headers=installation.bearer
    )
    assert sent.is_success, sent.text
    transcription = f"{installation.url}/api/v1/transcriptions/{sent.json()['transcription']['id']}"
    until(lambda: httpx.get(transcription, headers=installation.bearer).json()["status"] == "completed")
    return str(sent.json()["id"])


@pytest.fixture(scope="module")
def owner(front: Front, installation: Stack) -> httpx.Client:
    """Signed in at the web process: what is behind nginx believes to be served without TLS here."""
    with httpx.Client(base_url=installation.url, timeout=30) as client:
        page = client.get("/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        form = {
            "login": installation.credentials["staff_email"],
            "password": installation.credentials["staff_password"],
        }
        form |= {"csrfmiddlewaretoken": token[1]}
        assert client.post("/accounts/login/", data=form, headers={"Referer": installation.url}).status_code == 302
        cookies = {name: client.cookies[name] for name in ("sessionid",)}
    return httpx.Client(base_url=front.https.base_url, verify=front.context, timeout=30, cookies=cookies)


def test_sound_comes_by_nginx_whole_or_in_ranges(owner: httpx.Client, installation: Stack, recording: str) -> None:
    path = f"/recordings/{recording}/media"
    whole = owner.get(path)
    left = httpx.get(f"{installation.url}{path}", cookies=dict(owner.cookies))
    key = left.headers["x-accel-redirect"].removeprefix("/media-files/")
    assert (left.status_code, left.content) == (200, b"")
    stored = (installation.data / "media" / key).read_bytes()
    assert (whole.status_code, whole.content) == (200, stored)
    part = owner.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, stored[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(stored)}"
    assert owner.get(path, headers={"Range": "bytes=-5"}).content == stored[-5:]
    assert owner.get(path, headers={"Range": f"bytes={len(stored)}-"}).status_code == 416
    assert owner.head(path).headers["content-length"] == str(len(stored))
    assert "attachment" in owner.get(f"{path}?download").headers["content-disposition"]


def said_of_it(answer: httpx.Response) -> dict[str, str]:
    """Returns the headers that nginx hands on."""
    of_each = {"x-accel-redirect", "content-length", "date", "server", "set-cookie", "x-request-id", "connection"}
    return {name: value for name, value in answer.headers.items() if name not in of_each}


def test_it_says_all_that_the_portal_says_of_it(owner: httpx.Client, installation: Stack, recording: str) -> None:
    path = f"/recordings/{recording}/media"
    ours, theirs = httpx.get(f"{installation.url}{path}", cookies=dict(owner.cookies)), owner.get(path)
    assert said_of_it(ours).items() <= dict(theirs.headers).items()
    assert theirs.headers["x-request-id"].startswith("req_")
    assert "x-accel-redirect" not in theirs.headers


def test_nobody_else_has_it(front: Front, owner: httpx.Client, installation: Stack, recording: str) -> None:
    path = f"/recordings/{recording}/media"
    key = httpx.get(f"{installation.url}{path}", cookies=dict(owner.cookies)).headers["x-accel-redirect"]
    assert front.https.get(path).status_code == 302
    assert front.https.get(key).status_code == 404
    assert owner.get(key).status_code == 404


def test_the_log_names_what_was_asked_for(front: Front, owner: httpx.Client, recording: str) -> None:
    answer = owner.get(f"/recordings/{recording}/media?download=what")
    line = logged(front, answer)
    assert line["path"] == f"/recordings/{recording}/media"
    assert not any("media-files" in str(value) for value in line.values())


def test_what_is_struck_is_silent_and_the_original_stays_the_owner_s(
    owner: httpx.Client, installation: Stack, recording: str
) -> None:
    path = f"/recordings/{recording}/media"
    original = owner.get(path).content
    found = httpx.get(f"{installation.url}/api/v1/recordings/{recording}", headers=installation.bearer).json()
    strikes = f"{installation.url}/api/v1/transcriptions/{found['transcription']['id']}/strikes"
    asked = {"first": 0, "position": 4, "until": 9}
    struck = httpx.post(strikes, json=asked, headers=installation.bearer | {"If-Match": '"0"'})
    assert struck.is_success, struck.text
    until(lambda: owner.get(f"{path}?redacted").status_code != 503)
    redacted = owner.get(f"{path}?redacted", headers={"Range": "bytes=0-"})
    assert (redacted.status_code, redacted.headers["content-type"]) == (206, "audio/mp4")
    assert redacted.content not in (b"", original)
    assert owner.get(path).content == original


def test_a_link_ends_for_nginx_too_when_it_is_revoked(
    front: Front, installation: Stack, recording: str, tmp_path: Path
) -> None:
    """Nor does nginx name it in its error log where it can't read the file."""
    shares = f"{installation.url}/api/v1/recordings/{recording}/shares"
    made = httpx.post(shares, json={"label": "For the editor"}, headers=installation.bearer).json()
    sound = f"/s/{made['url'].partition('/s/')[2]}sound"
    until(lambda: front.https.get(sound).status_code == 200)
    assert front.https.get(sound, headers={"Range": "bytes=0-9"}).status_code == 206
    left = httpx.get(f"{installation.url}{sound}")
    assert said_of_it(left).items() <= dict(front.https.get(sound).headers).items()
    with nginx_of(installation, tmp_path, tmp_path / "no-media") as blind:
        assert blind.https.get(sound).status_code == 404
        assert sound not in (tmp_path / "error.log").read_text()
    gone = httpx.delete(f"{shares}/{made['id']}", headers=installation.bearer)
    assert gone.is_success, gone.text
    assert front.https.get(sound).status_code == 404
