"""What the fields of OpenAI's audio endpoints may look like: other people's clients spell lists in many ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal.api.openai import parameters
from portal.api.openai.errors import ApiError
from portal.api.openai.parameters import Parameters
from portal.asgi import application
from portal.http.uploads import Upload
from tests.conftest import Character
from transcription.models import Task

Fields = list[tuple[str, str]]
VERBOSE: Fields = [("model", "whisper-1"), ("response_format", "verbose_json")]
SPELLINGS: dict[str, Callable[[str, list[str]], Fields]] = {
    "repeated": lambda name, values: [(name, value) for value in values],
    "brackets": lambda name, values: [(f"{name}[]", value) for value in values],
    "indexed": lambda name, values: [(f"{name}[{number}]", value) for number, value in enumerate(values)],
    "from_one": lambda name, values: [(f"{name}[{number}]", value) for number, value in enumerate(values, start=1)],
    "commas": lambda name, values: [(name, ", ".join(values))],
    "json": lambda name, values: [(name, "[" + ", ".join(f'"{value}"' for value in values) + "]")],
    "json_in_brackets": lambda name, values: [(f"{name}[]", "[" + ",".join(f'"{one}"' for one in values) + "]")],
}
every_spelling = pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)


def sent(fields: Iterable[tuple[str, str]], task: str = Task.TRANSCRIBE) -> Parameters:
    """What is understood of these fields, in the order of a form. Raises ApiError."""
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(name, []).append(value)
    return parameters.parse(Upload(by_name, "a.wav", Path("a.wav"), 1, ""), task)


@every_spelling
def test_granularities(spelled: Callable[[str, list[str]], Fields]) -> None:
    assert sent(VERBOSE + spelled("timestamp_granularities", ["word"])).granularities == {"word"}
    both = sent(VERBOSE + spelled("timestamp_granularities", ["word", "segment"]))
    assert both.granularities == {"word", "segment"}
    assert (both.options.word_timestamps, both.ignored) == (True, ())


@every_spelling
def test_include(spelled: Callable[[str, list[str]], Fields]) -> None:
    assert sent([("model", "whisper-1"), *spelled("include", ["logprobs"])]).ignored == ("include[]",)
    with pytest.raises(ApiError) as refused:
        sent([("model", "whisper-1"), *spelled("include", ["logprobs", "everything"])])
    assert refused.value.param == "include[]"


@every_spelling
def test_languages(spelled: Callable[[str, list[str]], Fields]) -> None:
    assert sent([("model", "whisper-1"), *spelled("languages", ["en"])]).options.language == "en"
    with pytest.raises(ApiError) as refused:
        sent([("model", "whisper-1"), *spelled("languages", ["en", "klingon"])])
    assert (refused.value.param, "klingon" in refused.value.message) == ("languages[]", True)


@every_spelling
def test_keywords(spelled: Callable[[str, list[str]], Fields]) -> None:
    found = sent([("model", "whisper-1"), *spelled("keywords", ["Renard", "Reineke Fuchs"])])
    assert (found.options.hotwords, found.ignored) == ("Renard, Reineke Fuchs", ())


@every_spelling
def test_a_word_that_is_none_is_refused_however_it_is_spelled(spelled: Callable[[str, list[str]], Fields]) -> None:
    with pytest.raises(ApiError) as refused:
        sent(VERBOSE + spelled("timestamp_granularities", ["word", "letter"]))
    assert refused.value.param == "timestamp_granularities[]"


@every_spelling
def test_what_tells_speakers_apart_is_named_as_ignored(spelled: Callable[[str, list[str]], Fields]) -> None:
    found = sent([("model", "whisper-1"), *spelled("known_speaker_names", ["agent", "customer"])])
    assert found.ignored == ("known_speaker_names[]",)


@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "gpt-4o-mini-transcribe", "openai/gpt-4o-transcribe"])
@pytest.mark.parametrize("format", [[], [("response_format", "json")], [("response_format", "text")]])
def test_granularities_of_a_gpt_without_times_are_ignored_and_named(model: str, format: Fields) -> None:
    found = sent([("model", model), *format, ("timestamp_granularities[]", "word")])
    assert found.ignored == ("timestamp_granularities[]",)
    assert not found.options.word_timestamps
    with pytest.raises(ApiError):
        sent([("model", model), *format, ("timestamp_granularities[]", "letter")])


def test_granularities_of_a_gpt_with_times_are_given() -> None:
    found = sent([*VERBOSE[1:], ("model", "gpt-4o-transcribe"), ("timestamp_granularities[]", "word")])
    assert found.granularities == {"word"}
    assert found.ignored == ()


def test_granularities_of_whisper_need_verbose_json_as_at_openai() -> None:
    with pytest.raises(ApiError) as refused:
        sent([("model", "whisper-1"), ("timestamp_granularities[0]", "word")])
    assert refused.value.param == "timestamp_granularities[]"


@pytest.mark.parametrize(
    "name",
    ["lane", "diarize", "temprature", "language[]", "model[0]", "prompt[text]", "chunking_strategy[mode]", "task"],
)
def test_a_field_that_nobody_knows_is_named(name: str) -> None:
    assert sent([("model", "whisper-1"), (name, "x")]).ignored == (name,)


@pytest.mark.parametrize(
    "fields",
    [
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.5")],
        [("chunking_strategy", '{"type": "server_vad", "threshold": 0.5}')],
        [("chunking_strategy", "server_vad"), ("chunking_strategy[threshold]", "0.5")],
    ],
)
def test_the_settings_of_a_strategy_are_named_in_each_spelling(fields: Fields) -> None:
    found = sent([("model", "whisper-1"), *fields])
    assert (found.options.mode, found.ignored) == ("fast", ("chunking_strategy[threshold]",))


def test_a_translation_names_the_language_that_it_does_not_take() -> None:
    found = sent([*VERBOSE, ("language", "es"), ("languages[]", "es")], Task.TRANSLATE)
    assert (found.options.language, sorted(found.ignored)) == ("", ["language", "languages[]"])


@pytest.mark.parametrize("strategy", ["[" * 100_000, '{"a":' * 100_000, '{"type": {"type": "auto"}}', "[]", "3"])
def test_a_strategy_that_is_none_is_refused(strategy: str) -> None:
    with pytest.raises(ApiError) as refused:
        sent([("model", "whisper-1"), ("chunking_strategy", strategy)])
    assert refused.value.param == "chunking_strategy"


def test_names_reach_the_header_whatever_is_in_them() -> None:
    names = ["a\r\nSet-Cookie: x=1", "ключ", "a,b", "x" * 5000, *(f"field_number_{number}" for number in range(150))]
    header: Any = sent([("model", "whisper-1"), *((name, "x") for name in names)]).headers["X-Ignored-Parameters"]
    assert header.startswith("a%0D%0ASet-Cookie%3A%20x%3D1, %D0%BA%D0%BB%D1%8E%D1%87, a%2Cb, xxx")
    assert header.isascii()
    assert header.endswith("...")
    assert len(header) <= 2000


@pytest.mark.django_db(transaction=True)
async def test_the_native_api_names_what_it_ignores_too(alice: Character, fox: Path) -> None:
    fields = {"language": "en", "word_timestamps": "true", "timestamp_granularities[0]": "word", "diarise": "yes"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://testserver") as http:
        answer = await http.post(
            "/api/v1/recordings", data=fields, files={"file": fox.read_bytes()}, headers=alice.bearer
        )
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-ignored-parameters"] == "timestamp_granularities[0], diarise"
