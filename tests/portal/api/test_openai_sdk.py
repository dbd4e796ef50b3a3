"""OpenAI's own SDK against the running product, with the real engine."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import openai
import pysubs2
import pytest

from tests.conftest import MakeMedia
from tests.stack import Stack


def says_fox(text: str) -> bool:
    return "quick brown fox" in text.lower() and "lazy dog" in text.lower()


def test_json(sdk: openai.OpenAI, fox: Path) -> None:
    answer = sdk.audio.transcriptions.create(model="whisper-1", file=fox)
    assert says_fox(answer.text)
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == 3


def test_gpt_transcribe_tells_the_languages(sdk: openai.OpenAI, fox: Path) -> None:
    answer = sdk.audio.transcriptions.create(model="gpt-transcribe", file=fox)
    *_deltas, done = sdk.audio.transcriptions.create(model="gpt-transcribe", file=fox, stream=True)
    assert [[one.code for one in told.languages or []] for told in (answer, done)] == [["en"], ["en"]]  # type: ignore[union-attr]


def test_verbose_json(sdk: openai.OpenAI, fox: Path) -> None:
    answer = sdk.audio.transcriptions.create(model="whisper-1", file=fox, response_format="verbose_json")
    assert (answer.language, round(float(answer.duration), 1)) == ("english", 2.9)
    assert answer.segments
    first = answer.segments[0]
    assert (first.id, first.text[0]) == (0, " ")
    assert first.tokens
    assert first.avg_logprob < 0
    assert answer.words is None


def test_text(sdk: openai.OpenAI, fox: Path) -> None:
    answer = sdk.audio.transcriptions.create(model="whisper-1", file=fox, response_format="text")
    assert says_fox(str(answer))
    assert not str(answer).startswith('"')


@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_subtitles(sdk: openai.OpenAI, fox: Path, format: str) -> None:
    answer = sdk.audio.transcriptions.create(model="whisper-1", file=fox, response_format=format)  # type: ignore[call-overload]
    cues = pysubs2.SSAFile.from_string(str(answer), format_=format)
    assert says_fox(" ".join(cue.plaintext for cue in cues))
    assert cues[-1].end <= 3000


def test_a_stream_ends_with_the_whole_text(sdk: openai.OpenAI, fox: Path) -> None:
    events = list(sdk.audio.transcriptions.create(model="whisper-1", file=fox, stream=True))
    assert {event.type for event in events} == {"transcript.text.delta", "transcript.text.done"}
    assert events[-1].type == "transcript.text.done"
    assert says_fox(events[-1].text)
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == events[-1].text


@pytest.mark.parametrize("format", ["text", "srt", "vtt"])
def test_a_stream_in_another_format_is_that_format_piece_by_piece(sdk: openai.OpenAI, fox: Path, format: str) -> None:
    whole = sdk.audio.transcriptions.create(model="whisper-1", file=fox, response_format=format)  # type: ignore[call-overload]
    events = list(sdk.audio.transcriptions.create(model="whisper-1", file=fox, response_format=format, stream=True))  # type: ignore[call-overload]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert events[-1].text.strip() == str(whole).strip()


def test_a_verbose_stream_ends_with_segments_and_words(sdk: openai.OpenAI, fox: Path) -> None:
    wanted: Any = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"], "stream": True}
    *_deltas, done = sdk.audio.transcriptions.create(model="whisper-1", file=fox, **wanted)
    assert says_fox(done.text)
    assert (done.language, len(done.segments)) == ("english", 1)
    assert " ".join(word["word"] for word in done.words) == done.text


def test_translation_to_english(sdk: openai.OpenAI, speech: Path) -> None:
    file = speech / "es" / "conteo.wav"
    answer = sdk.audio.translations.create(model="whisper-1", file=file, response_format="verbose_json")
    assert "two" in answer.text.lower() or "2" in answer.text
    assert answer.language == "english"


def test_bytes_without_a_name(sdk: openai.OpenAI, fox: Path) -> None:
    assert says_fox(sdk.audio.transcriptions.create(model="whisper-1", file=fox.read_bytes()).text)


def test_models(sdk: openai.OpenAI) -> None:
    assert {"whisper-1", "base"} <= {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve("base").object == "model"


def test_an_unknown_model(sdk: openai.OpenAI, fox: Path) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        sdk.audio.transcriptions.create(model="whisper-9", file=fox)
    assert (error.value.code, error.value.param) == ("model_not_found", "model")


def test_a_wrong_key(stack: Stack, fox: Path) -> None:
    stranger = openai.OpenAI(base_url=f"{stack.url}/v1", api_key="wp_00000000_wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as error:
        stranger.audio.transcriptions.create(model="whisper-1", file=fox)
    assert error.value.code == "invalid_api_key"


def test_not_audio(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as error:
        sdk.audio.transcriptions.create(model="whisper-1", file=("song.mp3", b"no song " * 100))
    assert error.value.code == "not_media"


def test_an_empty_file(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.audio.transcriptions.create(model="whisper-1", file=("song.mp3", b""))
    assert error.value.code == "empty_file"


@pytest.mark.parametrize(
    ("field", "value"),
    [("response_format", "docx"), ("language", "klingon"), ("temperature", 7), ("timestamp_granularities", ["word"])],
)
def test_a_parameter_that_makes_no_sense(sdk: openai.OpenAI, fox: Path, field: str, value: object) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.audio.transcriptions.create(model="whisper-1", file=fox, **{field: value})  # type: ignore[call-overload]
    assert (error.value.param or "").removesuffix("[]") == field


def test_words_come_back_in_order_each_within_its_segment(sdk: openai.OpenAI, fox: Path) -> None:
    answer = sdk.audio.transcriptions.create(
        model="whisper-1", file=fox, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert answer.words
    assert answer.segments
    assert " ".join(word.word for word in answer.words) == answer.text
    for before, after in pairwise(answer.words):
        assert before.start <= before.end <= after.start
    for word in answer.words:
        assert any(s.start - 0.01 <= word.start and word.end <= s.end + 0.01 for s in answer.segments), word


def test_who_asks_for_words_alone_gets_no_segments(sdk: openai.OpenAI, fox: Path) -> None:
    answer = sdk.audio.transcriptions.create(
        model="whisper-1", file=fox, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert answer.words
    assert answer.segments is None
    assert says_fox(answer.text)


def test_our_own_options_are_plain_fields(sdk: openai.OpenAI, http: httpx.Client, fox: Path) -> None:
    extra = {"hotwords": "Quick Fox, Lazy Dog", "mode": "fast", "beam_size": "2"}
    assert sdk.audio.transcriptions.create(model="whisper-1", file=fox, extra_body=extra).text
    newest = http.get("/api/v1/recordings", params={"limit": 1}).json()["results"][0]["transcription"]
    assert (newest["hotwords"], newest["mode"], newest["beam_size"]) == ("Quick Fox, Lazy Dog", "fast", 2)


@pytest.mark.parametrize(("field", "value"), [("mode", "slow"), ("beam_size", "11"), ("hotwords", "x" * 2001)])
def test_one_of_our_own_that_makes_no_sense_is_named(sdk: openai.OpenAI, fox: Path, field: str, value: object) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.audio.transcriptions.create(model="whisper-1", file=fox, extra_body={field: value})
    assert (error.value.param, error.value.code) == (field, "invalid_value")


def test_every_error_has_its_four_keys_and_a_request_id(http: httpx.Client) -> None:
    for answer in (
        http.get("/v1/audio/transcriptions"),
        http.post("/v1/audio/transcriptions", content=b"", headers={"Content-Type": "text/plain"}),
        http.get("/v1/models/nothing"),
        httpx.get(f"{http.base_url}/v1/models"),
    ):
        assert answer.status_code in (400, 401, 404, 405)
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert answer.headers["x-request-id"]


def test_our_own_request_id_is_echoed(http: httpx.Client) -> None:
    assert http.get("/v1/models", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"


def test_silence_is_not_given_words(sdk: openai.OpenAI, make_media: MakeMedia) -> None:
    silence = make_media("silence.wav", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "4")
    answer = sdk.audio.transcriptions.create(model="whisper-1", file=silence, language="en")
    assert len(answer.text.split()) <= 1
