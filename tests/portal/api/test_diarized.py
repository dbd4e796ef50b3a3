"""Who said what, as OpenAI's own SDK asks for it and reads it. One real web process; the test plays the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.audio import TranscriptionDiarized

from tenants import scope
from tests.conftest import Character
from tests.webprocess import WebProcess
from transcription.models import Segment, Speaker, Transcription
from transcription.queue import claims, lifecycle, progress
from transcription.queue.claims import Claim
from transcription.queue.lifecycle import Speakers

PATIENCE = 60.0
DIARIZED: dict[str, Any] = {"response_format": "diarized_json"}
HEARD = " Hello there. Good day."
PARTS = ((0.0, 1.4, " Hello there.", 0), (1.4, 2.0, " Good day.", 1), (2.0, 2.9, " Hm.", None))


@pytest.fixture
def client(web: WebProcess, alice: Character) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{web.url}/v1", api_key=alice.secret, max_retries=0)


@pytest.fixture
def in_background() -> Iterator[Callable[..., Future[Any]]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit


class Worker:
    """Takes Acme's next transcription, hears it as one piece, then divides it between two speakers."""

    def __init__(self, alice: Character) -> None:
        self.tenant = alice.tenant

    def hear(self) -> tuple[Claim, Transcription]:
        deadline, claim = time.monotonic() + PATIENCE, None
        while claim is None and time.monotonic() < deadline:
            claim = claims.claim("host/1")
            time.sleep(0.02)
        assert claim is not None
        with scope.bound(self.tenant.id):
            row = Transcription.objects.get(id=claim.transcription_id)
            whole = Segment(tenant=self.tenant, transcription=row, index=0, start=0.0, end=2.9, text=f"{HEARD} Hm.")
            sequence = lifecycle.save_window(claim, [whole], 2.9, "en", "v1")
            progress.announce_progress(claim.tenant_id, claim.recording_id, row.id, sequence, 99, [whole])
        progress.flush()
        return claim, row

    def divide(self, claim: Claim, row: Transcription, error: str = "") -> None:
        text, spoken = f"{HEARD} Hm.".strip(), None
        with scope.bound(self.tenant.id):
            if not error:
                common: dict[str, Any] = {"tenant": self.tenant, "transcription": row}
                segments = [
                    Segment(index=index, start=start, end=end, text=text, speaker=speaker, **common)
                    for index, (start, end, text, speaker) in enumerate(PARTS)
                ]
                spoken = Speakers([Speaker.numbered(row, index) for index in (0, 1)], segments)
            warnings = ["no_speakers"] if error else []
            lifecycle.complete(claim, text, 2.9, [3, 4], warnings, spoken, error)
        progress.flush()


@pytest.fixture
def worker(alice: Character) -> Worker:
    return Worker(alice)


def ask(client: openai.OpenAI, path: Path, model: str = "whisper-1", **options: Any) -> Any:
    return client.audio.transcriptions.create(model=model, file=path, **options)


@pytest.mark.parametrize("strategy", [None, "auto", {"type": "server_vad", "threshold": 0.5}])
def test_diarized_json_says_who_said_what(
    strategy: Any, client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    more = {"chunking_strategy": strategy} if strategy else {}
    asked = in_background(ask, client, fox, "gpt-4o-transcribe-diarize", **DIARIZED, **more)
    claim, row = worker.hear()
    assert (row.speakers, row.model) == ("auto", "base")
    worker.divide(claim, row)
    answer = asked.result(PATIENCE)
    assert isinstance(answer, TranscriptionDiarized)
    TranscriptionDiarized.model_validate(answer.model_dump(), strict=True)
    assert [(one.id, one.speaker, one.text, one.start, one.end) for one in answer.segments] == [
        ("seg_0", "A", "Hello there.", 0.0, 1.4),
        ("seg_1", "B", "Good day.", 1.4, 2.0),
        ("seg_2", "", "Hm.", 2.0, 2.9),
    ]
    assert (answer.task, answer.duration, answer.text) == ("transcribe", 2.9, "Hello there. Good day. Hm.")
    assert answer.usage is not None
    assert answer.usage.type == "duration"


def test_a_diarized_stream_has_an_event_for_each_segment(
    client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    asked = in_background(lambda: list(ask(client, fox, **DIARIZED, stream=True)))
    worker.divide(*worker.hear())
    *segments, done = asked.result(PATIENCE)
    assert [(one.type, one.speaker, one.text) for one in segments] == [
        ("transcript.text.segment", "A", "Hello there."),
        ("transcript.text.segment", "B", "Good day."),
        ("transcript.text.segment", "", "Hm."),
    ]
    assert (done.type, done.text) == ("transcript.text.done", "Hello there. Good day. Hm.")


@pytest.mark.parametrize("format", ["json", "srt", "vtt", "verbose_json"])
def test_the_deltas_of_a_stream_are_its_file_although_segments_are_divided_at_the_end(
    format: str, client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    options: dict[str, Any] = {"response_format": format, "stream": True, "extra_body": {"speakers": "2"}}
    asked = in_background(lambda: list(ask(client, fox, **options)))
    claim, row = worker.hear()
    time.sleep(0.3)
    worker.divide(claim, row)
    *deltas, done = asked.result(PATIENCE)
    assert "".join(one.delta for one in deltas) == done.text
    names = {"srt": "Speaker 2: Good day.", "vtt": "<v Speaker 2>Good day."}
    assert names.get(format, "Good day.") in done.text
    if format == "verbose_json":
        assert [one["speaker"] for one in done.segments] == ["Speaker 1", "Speaker 2", None]


def test_speakers_that_were_not_found_cost_no_text(
    client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    create = client.audio.transcriptions.with_raw_response.create
    asked = in_background(lambda: create(model="whisper-1", file=fox, **DIARIZED))
    worker.divide(*worker.hear(), error="the child died (signal 9)")
    raw = asked.result(PATIENCE)
    answer = raw.parse()
    assert (raw.headers["x-warnings"], answer.text) == ("no_speakers", "Hello there. Good day. Hm.")
    assert [one.speaker for one in answer.segments] == [""]
    assert "signal" not in raw.text


def test_off_and_diarized_json_do_not_go_together_and_translations_have_none(client: openai.OpenAI, fox: Path) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, fox, **DIARIZED, extra_body={"speakers": "off"})
    assert refused.value.param == "speakers"
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.translations.create(model="whisper-1", file=fox, response_format="diarized_json")  # type: ignore[call-overload]
    assert refused.value.param == "response_format"
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, fox, extra_body={"speakers": "4-2"})
    assert refused.value.param == "speakers"


def test_the_model_s_name_is_known(client: openai.OpenAI) -> None:
    assert client.models.retrieve("gpt-4o-transcribe-diarize").id == "gpt-4o-transcribe-diarize"
