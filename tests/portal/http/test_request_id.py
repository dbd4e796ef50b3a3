"""One id in the log lines of everything that an upload sets in motion, and in its answer."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from portal.asgi import application
from tests import stack as stacks
from tests.conftest import Character
from tests.receiver import Receiver, Sent, listening
from tests.stack import Stack
from transcription import tracing

SECONDS = 60
TRACED = (
    "transcription.intake.commit",  # in the web process
    "transcription.worker.job",
    "transcription.engine.connection",
    "transcription.webhooks.dispatcher",  # beside the sweeper
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    """An OpenTelemetry collector, as far as it takes what it is sent."""
    with listening() as collector:
        yield collector


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, collector: Receiver) -> Iterator[Stack]:
    """A portal that may tell receivers on this machine."""
    allowed = {"OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8", "OUTBOUND_PLAIN_HTTP": "downloads,webhooks"}
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    started = stacks.start_scripted(tmp_path_factory.mktemp("traced"), LOG_FORMAT="json", **allowed, **traced)
    yield started
    stacks.stop(started)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


def test_one_upload_is_followed_from_the_web_process_to_its_webhook(
    running: Stack, receiver: Receiver, collector: Receiver, fox: Path
) -> None:
    trace = f"trace-{uuid.uuid4().hex}"
    subscribe(running, receiver.url)
    answer = httpx.post(
        f"{running.url}/v1/audio/transcriptions",
        files={"file": (fox.name, fox.read_bytes())},
        data={"model": "whisper-1"},
        headers=running.bearer | {"X-Request-Id": trace},
        timeout=SECONDS,
    )
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, trace)
    lines = lines_with(running, trace, last=TRACED[-1])
    told = [json.loads(line.partition("| ")[2]) for line in lines]
    assert {one["request_id"] for one in told} == {trace}
    assert [name for name in TRACED if name not in {one["logger"] for one in told}] == []
    assert all({"time", "level", "process", "message"} <= one.keys() for one in told)
    assert [(sent.path, sent.headers["x-request-id"]) for sent in receiver.requests] == [("/", trace)]
    spans = spans_of(collector, trace, last="webhook")
    (request,) = (span for span in spans if not span.parent_span_id)
    assert request.name == "POST /v1/audio/transcriptions"
    attempt = next(span for span in spans if span.name == "attempt")
    stages = {span.name: span for span in spans if span.parent_span_id == attempt.span_id}
    assert {"engine", "save"} <= stages.keys()
    assert all(
        attempt.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano for one in stages.values()
    )
    others = [span for span in spans if span is not request and span not in stages.values()]
    assert {span.parent_span_id for span in others} == {request.span_id}
    assert {"receive", "queue", "attempt", "webhook"} <= {span.name for span in others}
    assert fox.name.encode() not in b"".join(sent.body for sent in collector.requests)


def subscribe(running: Stack, url: str) -> None:
    """Makes a webhook on the page, as a signed-in owner does."""
    with httpx.Client(base_url=running.url, headers={"Referer": running.url}, timeout=SECONDS) as browser:
        browser.get("/accounts/login/")
        person = {"login": running.credentials["staff_email"], "password": running.credentials["staff_password"]}
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post("/accounts/login/", data=person | token).status_code == 302
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        made = browser.post("/webhooks/", data={"url": url, "events": "transcription.completed"} | token)
        assert "whsec_" in made.text


def lines_with(running: Stack, trace: str, last: str) -> list[str]:
    """The lines of all processes with this id, once `last` stands in one of them."""
    deadline = time.monotonic() + SECONDS
    lines: list[str] = []
    while time.monotonic() < deadline and not any(last in line for line in lines):
        lines = [line for line in (running.data / "up.log").read_text().splitlines() if trace in line]
        time.sleep(0.2)
    return lines


def spans_of(collector: Receiver, trace: str, last: str) -> list[Span]:
    """The spans of this id that were sent by all processes, once `last` is among them."""
    deadline, known = time.monotonic() + SECONDS, tracing.trace_id(trace).to_bytes(16)
    spans: list[Span] = []
    while time.monotonic() < deadline and last not in {span.name for span in spans}:
        time.sleep(0.2)
        told = [ExportTraceServiceRequest.FromString(body_of(sent)) for sent in [*collector.requests]]
        scopes = [scope for one in told for resource in one.resource_spans for scope in resource.scope_spans]
        spans = [span for scope in scopes for span in scope.spans if span.trace_id == known]
    return spans


def body_of(sent: Sent) -> bytes:
    return gzip.decompress(sent.body) if sent.headers.get("content-encoding") == "gzip" else sent.body


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "sent", ["", "a" * 65, "two words", "id\twith a tab", "<script>", "é", "a,b", '"quoted"', "req_1%0A2"]
)
async def test_an_id_that_is_no_plain_word_is_not_taken_from_a_client(
    sent: str, alice: Character, caplog: pytest.LogCaptureFixture
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as http:
        key, given_id = f"Bearer {alice.secret}".encode(), sent.encode()
        answer = await http.get("/api/v1/recordings", headers=[(b"authorization", key), (b"x-request-id", given_id)])
    given = answer.headers.get_list("x-request-id")
    assert (answer.status_code, len(given), given[0][:4], len(given[0])) == (200, 1, "req_", 36)


@pytest.mark.django_db(transaction=True)
async def test_two_ids_at_once_are_none(alice: Character) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as http:
        headers = [*alice.bearer.items(), ("X-Request-Id", "one"), ("X-Request-Id", "two")]
        answer = await http.get("/api/v1/recordings", headers=headers)
    assert answer.headers["x-request-id"].startswith("req_")
