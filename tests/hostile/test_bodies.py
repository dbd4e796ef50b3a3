"""JSON bodies that are too deep, too large, ambiguous or no JSON: 4xx in the API's words, without a traceback."""

from __future__ import annotations

import bz2
import json
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.hostile.conftest import Product

MIB = 1024 * 1024
MADE = """
import json
from tenants import api_keys, scope
from tenants.access import member_actor
from tenants.models import KeyScope, Member
from tests.portal.web.conftest import make_transcription
from transcription.webhooks.models import Endpoint

member = Member.objects.select_related("tenant__quota", "user").get(user__email="alice@acme.example")
with scope.bound(member.tenant_id):
    key, secret = api_keys.create(member_actor(member), "Hostile bodies", KeyScope.ADMIN)
    row = make_transcription(member.tenant)
    hook = Endpoint.objects.create(tenant=member.tenant, url="https://acme.example/hook")
    made = {"recording": row.recording_id, "transcription": row.id, "key": key.id, "webhook": hook.id, "secret": secret}
    print(json.dumps(made, default=str))
"""
ENTRIES = [
    ("POST", "/api/v1/recordings"),
    ("POST", "/api/v1/recordings/{recording}/transcriptions"),
    ("POST", "/api/v1/transcriptions/{transcription}/retry"),
    ("POST", "/api/v1/keys"),
    ("PATCH", "/api/v1/keys/{key}"),
    ("POST", "/api/v1/keys/{key}/rotate"),
    ("POST", "/api/v1/webhooks"),
    ("PATCH", "/api/v1/webhooks/{webhook}"),
    ("PUT", "/api/v1/transcriptions/{transcription}/segments"),
    ("PATCH", "/api/v1/transcriptions/{transcription}/segments/0"),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/0/split"),
    ("POST", "/api/v1/transcriptions/{transcription}/revert"),
    ("POST", "/api/v1/uploads/multipart"),
    ("POST", "/api/v1/uploads/multipart/{recording}/urls"),
]
PAGES = ["/transcriptions/{transcription}/segments/0/", "/transcriptions/{transcription}/revert/"]
LEVELS = 100_000
BAD: dict[str, bytes] = {
    "arrays": b"[" * LEVELS + b"]" * LEVELS,
    "objects": b'{"a":' * LEVELS + b"1" + b"}" * LEVELS,
    "never closed": b"[" * LEVELS,
    "deep in a field": b'{"url": ' + b"[" * LEVELS + b"]" * LEVELS + b"}",
    "twice": b'{"name": "a", "name": "b"}',
    "cut": b'{"name": "a',
    "not utf-8": b'{"name": "\xff\xfe"}',
    "utf-16": json.dumps({"name": "a"}).encode("utf-16"),
    "NaN": b'{"temperature": NaN}',
    "a number of 5,000 digits": b'{"length": ' + b"9" * 5000 + b"}",
    "nothing but a byte": b"\x00",
}


@pytest.fixture(scope="module")
def made(product: Product) -> dict[str, str]:
    return dict(json.loads(product.python(MADE)))


@pytest.fixture(scope="module")
def program(product: Product, made: dict[str, str]) -> Iterator[httpx.Client]:
    """Alice's, which may do everything."""
    headers = {"Authorization": f"Bearer {made['secret']}", "If-Match": "*", "Content-Type": "application/json"}
    with httpx.Client(base_url=product.stack.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def alice(product: Product) -> Iterator[httpx.Client]:
    browser = product.browser("alice")
    browser.headers["X-CSRFToken"] = browser.cookies["csrftoken"]
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def without_a_traceback(product: Product) -> Iterator[None]:
    before = len(product.log)
    yield
    written = product.log[before:]
    assert "Traceback" not in written, written
    assert "ERROR" not in written, written


def packed(charset: str) -> bytes:
    """A small body; by a codec that unpacks, of 64 MiB."""
    large = b'{"name": "' + b"a" * (64 * MIB) + b'"}'
    match charset:
        case "zlib":
            return zlib.compress(large)
        case "bz2":
            return bz2.compress(large)
    return b'{"name": "a"}'


def is_problem(answer: httpx.Response) -> bool:
    told = answer.json()
    return answer.headers["content-type"] == "application/problem+json" and told["status"] == answer.status_code


def is_refused(answer: httpx.Response) -> bool:
    return 400 <= answer.status_code < 500 and answer.status_code != 404


@pytest.mark.parametrize(("method", "path"), ENTRIES)
def test_no_json_that_is_bad_is_taken(method: str, path: str, program: httpx.Client, made: dict[str, str]) -> None:
    for name, body in BAD.items():
        answer = program.request(method, path.format(**made), content=body)
        if "/multipart/" not in path:  # there is no such upload, which is said first
            assert (answer.status_code, answer.json()["code"]) == (400, "parse_error"), (name, answer.text)
        assert is_problem(answer), (name, answer.text)


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "zlib", "bz2", "hex", "rot13", "idna", "undefined", "x"])
def test_another_charset_is_refused_and_unpacks_nothing(
    charset: str, product: Product, program: httpx.Client, made: dict[str, str]
) -> None:
    """Python knows codecs that decompress: 8 MB of zeros would be 8 GB."""
    body = packed(charset)
    before = resident(product)
    for path in ("/api/v1/keys", "/api/v1/uploads/multipart"):
        kind = {"Content-Type": f"application/json; charset={charset}"}
        answer = program.post(path, content=body, headers=kind)
        assert (answer.status_code, is_problem(answer)) == (415, True), answer.text
    assert resident(product) - before < 32 * MIB


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", 'application/json; charset="utf-8"'])
def test_the_charset_that_json_has_may_be_said(kind: str, program: httpx.Client) -> None:
    answer = program.post("/api/v1/keys", content=b'{"name": ""}', headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["param"]) == (400, "name")


@pytest.mark.parametrize(("method", "path"), [*ENTRIES, ("POST", "/api/v1/socket-tickets"), ("POST", "/v1/models")])
def test_twenty_megabytes_are_refused_and_not_kept(
    method: str, path: str, product: Product, program: httpx.Client, made: dict[str, str]
) -> None:
    before = resident(product)
    body = b'{"name": "' + b"a" * (20 * MIB) + b'"}'
    answer = program.request(method, path.format(**made), content=body)
    assert answer.status_code == 413, answer.text
    if path.startswith("/api/"):
        assert (is_problem(answer), answer.json()["code"]) == (True, "body_too_large")
        assert "8.0" in answer.json()["detail"]
    else:
        assert answer.json()["error"]["code"] == "body_too_large"
    assert answer.headers["x-request-id"]
    assert resident(product) - before < 32 * MIB


def test_a_stream_without_an_end_is_refused_too(program: httpx.Client) -> None:
    for path in ("/api/v1/keys", "/api/v1/uploads/multipart"):
        answer = program.post(path, content=iter([b"[" * MIB] * 20))
        assert (answer.status_code, is_problem(answer)) == (413, True), answer.text


def test_a_transcript_of_seven_megabytes_is_read(program: httpx.Client, made: dict[str, str]) -> None:
    """The limit of 8 MiB is the one that counts."""
    segments = [{"start": 0.0, "end": 0.0, "text": "x" * 1400} for _ in range(5000)] + [{"start": 1, "end": 2}]
    answer = program.put(f"/api/v1/transcriptions/{made['transcription']}/segments", json={"segments": segments})
    assert (answer.status_code, answer.json()["param"]) == (400, "segments[5000].text")


NUL: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/v1/recordings", {"url": "https://acme.example/a\0.mp3"}),
    ("POST", "/api/v1/recordings", {"url": "https://acme.example/a.mp3", "name": "a\0"}),
    ("POST", "/api/v1/recordings/{recording}/transcriptions", {"prompt": "a\0"}),
    ("POST", "/api/v1/recordings/{recording}/transcriptions", {"hotwords": "a\0"}),
    ("POST", "/api/v1/recordings/{recording}/transcriptions", {"model": "a\0"}),
    ("POST", "/api/v1/keys", {"name": "a\0"}),
    ("POST", "/api/v1/keys", {"name": "a", "addresses": ["192.0.2.1\0"]}),
    ("PATCH", "/api/v1/webhooks/{webhook}", {"description": "a\0"}),
    ("POST", "/api/v1/webhooks", {"url": "https://acme.example/", "events": ["a\0"]}),
    ("POST", "/api/v1/uploads/multipart", {"name": "a\0.mp3", "length": 10}),
]


@pytest.mark.parametrize(("method", "path", "body"), NUL)
def test_a_nul_in_a_text_is_refused(
    method: str, path: str, body: dict[str, Any], program: httpx.Client, made: dict[str, str]
) -> None:
    answer = program.request(method, path.format(**made), json=body)
    assert (answer.status_code, is_problem(answer)) == (400, True), answer.text
    assert answer.json()["param"] in body


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_own_json_is_refused_likewise(path: str, alice: httpx.Client, made: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    for name, body in BAD.items():
        assert is_refused(alice.post(path.format(**made), content=body, headers=headers)), name
    large = alice.post(path.format(**made), content=b"[" * 20 * MIB, headers=headers)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")


def test_a_page_says_what_a_form_may_hold(product: Product) -> None:
    answer = product.browser().post("/accounts/login/", data={"login": "a" * 20 * MIB})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert "2.0" in answer.text


def test_what_is_no_form_is_refused_by_openai_s_endpoints(product: Product) -> None:
    headers = product.people["alice"].bearer | {"Content-Type": "application/json"}
    for body in (*BAD.values(), b"[" * 20 * MIB):
        for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
            answer = httpx.post(f"{product.stack.url}{path}", content=body, headers=headers, timeout=60)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_body")


@pytest.mark.parametrize("strategy", [b"[" * LEVELS, b'{"type":' * LEVELS, b'{"type": "auto", "type": "server_vad"}'])
def test_json_in_a_form_field_is_refused_likewise(strategy: bytes, product: Product) -> None:
    for name in ("chunking_strategy", "include", "timestamp_granularities"):
        fields = {"model": "whisper-1", "response_format": "verbose_json", name: strategy}
        answer = httpx.post(
            f"{product.stack.url}/v1/audio/transcriptions",
            data=fields,
            files={"file": ("a.wav", b"RIFF")},
            headers=product.people["alice"].bearer,
            timeout=60,
        )
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error"), answer.text


def test_tus_reads_no_json(product: Product) -> None:
    bearer = product.people["alice"].bearer | {"Tus-Resumable": "1.0.0", "Content-Type": "application/json"}
    for body in BAD.values():
        answer = httpx.post(f"{product.stack.url}/api/v1/uploads", content=body, headers=bearer, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_header"), answer.text
    answer = httpx.patch(
        f"{product.stack.url}/api/v1/uploads/{uuid4()}", content=b"[" * 20 * MIB, headers=bearer, timeout=60
    )
    assert (answer.status_code, is_problem(answer)) == (415, True), answer.text


def resident(product: Product) -> int:
    """Bytes that the web processes hold."""
    children = psutil.Process(product.stack.process.pid).children(recursive=True)
    return sum(child.memory_info().rss for child in children if "uvicorn" in " ".join(child.cmdline()))
