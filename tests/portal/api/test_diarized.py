"""Who said what, as OpenAI's own SDK asks for it and reads it. One real web process; the test plays the engine."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from django.conf import settings
from openai.types.audio import TranscriptionDiarized

from tenants import scope
from tests.conftest import Character, MakeMedia
from tests.transcription.finishing import serve
from tests.webprocess import WebProcess
from transcription.models import KnownSpeaker, Segment, Speaker, Transcription
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
            row.saved_seconds = 2.9
            progress.announce_progress(row, sequence, [whole])
        progress.flush()
        return claim, row

    def divide(self, claim: Claim, row: Transcription, error: str = "", names: tuple[str, ...] = ("",)) -> None:
        text, spoken = f"{HEARD} Hm.".strip(), None
        with scope.bound(self.tenant.id):
            if not error:
                common: dict[str, Any] = {"tenant": self.tenant, "transcription": row}
                segments = [
                    Segment(index=index, start=start, end=end, text=text, speaker=speaker, **common)
                    for index, (start, end, text, speaker) in enumerate(PARTS)
                ]
                spoken = Speakers([Speaker.numbered(row, index, (*names, "")[index]) for index in (0, 1)], segments)
            warnings = ["no_speakers"] if error else []
            lifecycle.complete(claim, text, 2.9, [3, 4], warnings, spoken, error)
        progress.flush()


@pytest.fixture
def worker(alice: Character) -> Worker:
    return Worker(alice)


def ask(client: openai.OpenAI, path: Path, model: str = "whisper-1", **options: Any) -> Any:
    return client.audio.transcriptions.create(model=model, file=path, **options)


def test_diarized_json_says_who_said_what(client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any) -> None:
    strategy = {"type": "server_vad", "threshold": 0.5}
    asked = in_background(ask, client, fox, "gpt-4o-transcribe-diarize", **DIARIZED, chunking_strategy=strategy)
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


@pytest.mark.parametrize("format", ["vtt", "verbose_json"])
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
    assert ("<v Speaker 2>Good day." if format == "vtt" else "Good day.") in done.text
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
        client.audio.translations.create(model="whisper-1", file=fox, extra_body=DIARIZED)
    assert refused.value.param == "response_format"
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, fox, extra_body={"speakers": "4-2"})
    assert refused.value.param == "speakers"


def voice(path: Path) -> str:
    """A data URL, as the SDK's users make it."""
    return f"data:audio/wav;base64,{base64.b64encode(path.read_bytes()).decode()}"


def known(path: Path, *names: str, **more: Any) -> dict[str, Any]:
    voices = [voice(path)] * len(names)
    return DIARIZED | {"known_speaker_names": list(names), "known_speaker_references": voices} | more


def test_voices_are_decoded_kept_for_the_worker_and_forgotten_at_the_end(
    client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    asked = in_background(ask, client, fox, "gpt-4o-transcribe-diarize", **known(fox, "agent", "customer"))
    claim, row = worker.hear()
    with scope.bound(row.tenant_id):
        kept = list(KnownSpeaker.objects.values_list("name", "pcm"))
    assert [name for name, _pcm in kept] == ["agent", "customer"]
    assert all(len(pcm) == pytest.approx(2.9 * 32_000, rel=0.05) for _name, pcm in kept)
    worker.divide(claim, row, names=("", "agent"))
    assert [one.speaker for one in asked.result(PATIENCE).segments] == ["A", "agent", ""]
    with scope.bound(row.tenant_id):
        assert not KnownSpeaker.objects.exists()


def test_a_result_answers_who_brings_the_same_voices_only(
    client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    serve("v1")
    for voices in (known(fox, "agent"), known(fox, "Anna"), DIARIZED):
        asked = in_background(ask, client, fox, **voices)
        worker.divide(*worker.hear(), names=tuple(voices.get("known_speaker_names", [""])))
        asked.result(PATIENCE)
    again = ask(client, fox, **known(fox, "Anna"))
    assert [one.speaker for one in again.segments] == ["Anna", "A", ""], "the earlier one's names are the machine's"


def test_voices_without_speakers_are_ignored_and_named(
    client: openai.OpenAI, worker: Worker, fox: Path, in_background: Any
) -> None:
    create = client.audio.transcriptions.with_raw_response.create
    voices = known(fox, "agent") | {"response_format": "json"}
    asked = in_background(lambda: create(model="whisper-1", file=fox, **voices))
    claim, row = worker.hear()
    worker.divide(claim, row, error="none asked for")
    ignored = asked.result(PATIENCE).headers["x-ignored-parameters"]
    assert ignored == "known_speaker_names[], known_speaker_references[]"


HOSTILE_VOICES: list[tuple[str, list[str], list[str]]] = [
    ("known_speaker_references[]", ["agent"], []),
    ("known_speaker_references[]", ["agent", "customer"], ["fox"]),
    ("known_speaker_names[]", ["agent", "agent"], ["fox", "fox"]),
    ("known_speaker_names[]", [" "], ["fox"]),
    ("known_speaker_names[]", ["x" * 81], ["fox"]),
    ("known_speaker_references[]", ["agent"], ["https://169.254.169.254/voice.wav"]),
    ("known_speaker_references[]", ["agent"], ["data:audio/wav;base64,%%%"]),
    ("known_speaker_references[]", ["agent"], ["data:audio/wav;base64,QUJD"]),
    ("known_speaker_references[]", ["agent"], ["data:text/plain;base64,QUJD"]),
    ("known_speaker_references[]", ["agent"], ["short"]),
    ("known_speaker_references[]", ["agent"], ["long"]),
    ("known_speaker_references[]", ["agent"], ["playlist"]),
]


def test_what_is_no_voice_is_refused_for_free(
    client: openai.OpenAI, alice: Character, fox: Path, make_media: MakeMedia
) -> None:
    playlist = base64.b64encode(b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n").decode()
    made = {
        "fox": lambda: voice(fox),
        "short": lambda: voice(make_media.tone("short.wav", 1)),
        "long": lambda: voice(make_media.tone("long.wav", 12)),
        "playlist": lambda: f"data:audio/x-mpegurl;base64,{playlist}",
    }
    for param, names, references in HOSTILE_VOICES:
        sent = [made[name]() if name in made else name for name in references]
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, fox, **DIARIZED, known_speaker_names=names, known_speaker_references=sent)
        assert refused.value.param == param, (names, references)
    with scope.bound(alice.tenant.id):
        assert not Transcription.objects.exists()


@pytest.mark.parametrize("sent", [["data:audio/wav;base64," + "A" * 5_000_000], ["x"] * 5], ids=["large", "many"])
def test_voices_have_limits(sent: list[str], client: openai.OpenAI, fox: Path) -> None:
    with pytest.raises(openai.BadRequestError, match="known_speaker_references"):
        ask(client, fox, **DIARIZED, known_speaker_names=["a"] * len(sent), known_speaker_references=sent)
    assert not [path for path in settings.INCOMING_DIR.glob("*") if path.stat().st_size > 4 * 1024**2]


def test_the_model_s_name_is_known(client: openai.OpenAI) -> None:
    assert client.models.retrieve("gpt-4o-transcribe-diarize").id == "gpt-4o-transcribe-diarize"
