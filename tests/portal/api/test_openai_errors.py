"""OpenAI's own SDK where things go wrong: what it raises, what it tries again, and what it finds when it does.

One real web process; the test plays the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tenants import scope
from tenants.models import LedgerEntry, Quota
from tests.conftest import Character
from tests.portal.api.faulty_proxy import FaultyProxy, faulty_proxy
from tests.transcription.finishing import finish
from tests.webprocess import WebProcess
from transcription.errors import Failure
from transcription.models import Transcription
from transcription.queue import claims, lifecycle, progress

PATIENCE = 60.0


@pytest.fixture
def client(web: WebProcess, alice: Character) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{web.url}/v1", api_key=alice.secret, max_retries=0)


@pytest.fixture
def proxy(web: WebProcess) -> Iterator[FaultyProxy]:
    with faulty_proxy(web.url) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(proxy: FaultyProxy, alice: Character) -> openai.OpenAI:
    """The SDK as it comes: it tries twice more."""
    return openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=alice.secret)


@pytest.fixture
def in_background() -> Iterator[Callable[..., Future[Any]]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit


class Engine:
    """Works through Acme's transcriptions when it is told to."""

    def __init__(self, alice: Character) -> None:
        self.tenant = alice.tenant

    def only(self, is_so: Callable[[Transcription], bool] = lambda row: True) -> Transcription:
        """The only transcription there is, once it is as it should be."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with scope.bound(self.tenant.id):
                rows = list(Transcription.objects.all())
            if rows and is_so(rows[0]):
                (row,) = rows
                return row
            time.sleep(0.02)
        raise AssertionError("it never came to that")

    def finish(self, once: Callable[[Transcription], bool] = lambda row: True) -> None:
        with scope.bound(self.tenant.id):
            finish(self.only(once))
        progress.flush()

    def fail(self) -> None:
        self.only()
        claim = claims.claim("host/1")
        assert claim is not None
        with scope.bound(self.tenant.id):
            lifecycle.fail(claim, Failure("no_audio", "nothing to hear"))
        progress.flush()

    def cancel(self) -> None:
        with scope.bound(self.tenant.id):
            lifecycle.cancel(self.only())
        progress.flush()

    def charges(self) -> int:
        with scope.bound(self.tenant.id):
            return LedgerEntry.objects.count()


@pytest.fixture
def engine(alice: Character) -> Engine:
    return Engine(alice)


def transcribe(client: openai.OpenAI, path: Path, **options: Any) -> Any:
    return client.audio.transcriptions.create(model="whisper-1", file=path, **options)


@pytest.mark.parametrize("troubles", [[503], [429, 500], [502, 504]])
def test_after_a_bad_moment_the_sdk_tries_again(
    troubles: list[int], proxy: FaultyProxy, through_proxy: openai.OpenAI, engine: Engine, fox: Path, in_background: Any
) -> None:
    proxy.troubles = list(troubles)
    asked = in_background(transcribe, through_proxy, fox)
    engine.finish()
    assert asked.result(PATIENCE).text == "The fox."
    assert proxy.seen == len(troubles) + 1


def test_a_retry_after_a_timeout_joins_its_first_try(
    client: openai.OpenAI, engine: Engine, fox: Path, in_background: Any
) -> None:
    """The first try hangs up, the second finds its work going on: one transcription, charged once."""
    impatient = client.with_options(timeout=2.0, max_retries=2)
    asked = in_background(transcribe, impatient, fox)
    engine.only(lambda row: row.waiters == 1)
    engine.only(lambda row: row.waiters == 0 and row.cancel_at is not None)
    engine.only(lambda row: row.waiters == 1 and row.cancel_at is None)
    engine.finish()
    assert asked.result(PATIENCE).text == "The fox."
    assert engine.charges() == 1


def test_a_long_wait_ends_with_the_text(client: openai.OpenAI, engine: Engine, fox: Path, in_background: Any) -> None:
    asked = in_background(transcribe, client.with_options(timeout=60), fox)
    engine.only()
    with pytest.raises(TimeoutError):
        asked.result(4)
    engine.finish()
    assert asked.result(PATIENCE).text == "The fox."


async def test_the_async_client_waits_too(
    web: WebProcess, alice: Character, engine: Engine, fox: Path, in_background: Any
) -> None:
    async with openai.AsyncOpenAI(base_url=f"{web.url}/v1", api_key=alice.secret) as client:

        async def streamed() -> list[Any]:
            stream = await client.audio.transcriptions.create(model="whisper-1", file=fox, stream=True)
            return [event async for event in stream]

        in_background(engine.finish, lambda row: row.waiters == 2)
        whole = client.audio.transcriptions.create(model="whisper-1", file=fox)
        answer, events = await asyncio.gather(whole, streamed())
        assert (answer.text, events[-1].text) == ("The fox.", "The fox.")
        assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
        assert "whisper-1" in [model.id async for model in client.models.list()]


def test_a_spent_month_is_no_reason_to_try_again(
    alice: Character, proxy: FaultyProxy, through_proxy: openai.OpenAI, fox: Path
) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=1)
    with pytest.raises(openai.RateLimitError) as error:
        transcribe(through_proxy, fox)
    assert (error.value.code, error.value.type, proxy.seen) == ("insufficient_quota", "insufficient_quota", 1)
    assert "resets" in error.value.message


def test_too_large_names_the_limit(alice: Character, client: openai.OpenAI) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(upload_bytes=100_000)
    with pytest.raises(openai.APIStatusError) as error:
        transcribe(client, ("large.wav", bytes(400_000)))  # type: ignore[arg-type]
    assert (error.value.status_code, error.value.code, error.value.param) == (413, "file_too_large", "file")
    assert "97.7" in error.value.message


def test_what_was_cancelled_is_a_conflict_and_not_tried_again(
    proxy: FaultyProxy, through_proxy: openai.OpenAI, engine: Engine, fox: Path, in_background: Any
) -> None:
    asked = in_background(transcribe, through_proxy, fox)
    engine.cancel()
    with pytest.raises(openai.ConflictError) as error:
        asked.result(PATIENCE)
    assert (error.value.code, proxy.seen) == ("cancelled", 1)


def test_what_cannot_be_heard_is_the_files_fault(
    proxy: FaultyProxy, through_proxy: openai.OpenAI, engine: Engine, fox: Path, in_background: Any
) -> None:
    asked = in_background(transcribe, through_proxy, fox)
    engine.fail()
    with pytest.raises(openai.UnprocessableEntityError) as error:
        asked.result(PATIENCE)
    assert (error.value.code, error.value.param, proxy.seen) == ("no_audio", "file", 1)


def test_a_stream_that_fails_says_so(client: openai.OpenAI, engine: Engine, fox: Path, in_background: Any) -> None:
    asked = in_background(lambda: list(transcribe(client, fox, stream=True)))
    engine.fail()
    with pytest.raises(openai.APIError) as error:
        asked.result(PATIENCE)
    assert error.value.code == "no_audio"


def test_models_are_not_deleted_here(client: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as error:
        client.models.delete("base")
    assert error.value.code == "model_not_deletable"
    with pytest.raises(openai.NotFoundError):
        client.models.delete("nothing")


def test_the_headers_tell_what_the_body_does_not(
    client: openai.OpenAI, engine: Engine, fox: Path, in_background: Any
) -> None:
    asked = in_background(
        lambda: client.audio.transcriptions.with_raw_response.create(
            model="whisper-1", file=fox, include=["logprobs"], extra_headers={"X-Request-Id": "mine-1"}
        )
    )
    engine.finish()
    raw = asked.result(PATIENCE)
    assert (raw.headers["x-request-id"], raw.http_response.headers["content-type"]) == ("mine-1", "application/json")
    assert raw.headers["x-ignored-parameters"] == "include[]"
    assert raw.parse().logprobs is None


PARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"response_format": "docx"}, "response_format"),
    ({"timestamp_granularities": ["segment"]}, "timestamp_granularities[]"),
    ({"timestamp_granularities": ["word"], "response_format": "srt"}, "timestamp_granularities[]"),
    ({"timestamp_granularities": ["letter"], "response_format": "verbose_json"}, "timestamp_granularities[]"),
    ({"include": ["logprobs"], "response_format": "verbose_json"}, "include[]"),
    ({"extra_body": {"include": ["everything"]}}, "include[]"),
    ({"extra_body": {"chunking_strategy": "by_the_minute"}}, "chunking_strategy"),
    ({"extra_body": {"stream": "perhaps"}}, "stream"),
    ({"extra_body": {"languages": ["en", "klingon"]}}, "languages[]"),
    ({"extra_body": {"languages": ["klingon"]}}, "languages[]"),
    ({"language": "klingon"}, "language"),
    ({"language": "yue"}, "language"),
    ({"extra_body": {"languages": ["yue", "zh"]}}, "languages[]"),
    ({"temperature": 1.5}, "temperature"),
    ({"extra_body": {"temperature": "nan"}}, "temperature"),
    ({"extra_body": {"keywords": ["x" * 2001]}}, "hotwords"),
]


@pytest.mark.parametrize(("options", "param"), PARAMETERS, ids=lambda value: str(value)[:60])
def test_what_makes_no_sense_is_named(client: openai.OpenAI, fox: Path, options: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        transcribe(client, fox, **options)
    assert (error.value.param, error.value.type) == (param, "invalid_request_error")


def test_everything_that_openai_knows_is_taken_and_acted_on_where_it_applies(
    client: openai.OpenAI, engine: Engine, fox: Path, in_background: Any
) -> None:
    everything: dict[str, Any] = {
        "chunking_strategy": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 300},
        "keywords": ["Renard", "Reineke"],
        "languages": ["en"],
        "known_speaker_names": ["agent"],
        "known_speaker_references": ["data:audio/wav;base64," + "A" * 900_000],
        "include": ["logprobs"],
        "prompt": "A fox.",
    }
    asked = in_background(lambda: client.audio.transcriptions.with_raw_response.create(
        model="gpt-4o-transcribe", file=fox, **everything
    ))  # fmt: skip
    row = engine.only()
    assert (row.mode, row.hotwords, row.language, row.prompt) == ("fast", "Renard, Reineke", "en", "A fox.")
    engine.finish()
    ignored = asked.result(PATIENCE).headers["x-ignored-parameters"].split(", ")
    assert sorted(ignored) == [
        "chunking_strategy[silence_duration_ms]",
        "chunking_strategy[threshold]",
        "include[]",
        "known_speaker_names[]",
        "known_speaker_references[]",
    ]


def test_indexed_granularities_bring_words_and_what_nobody_knows_is_named(
    web: WebProcess, alice: Character, engine: Engine, fox: Path, in_background: Any
) -> None:
    fields = {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[0]": "word", "x": "y"}

    def asked() -> httpx.Response:
        files = {"file": fox.read_bytes()}
        return httpx.post(
            f"{web.url}/v1/audio/transcriptions", data=fields, files=files, headers=alice.bearer, timeout=PATIENCE
        )

    answer = in_background(asked)
    assert engine.only().word_timestamps
    engine.finish()
    told = answer.result(PATIENCE)
    assert ("words" in told.json(), told.headers["x-ignored-parameters"]) == (True, "x")
