"""Windows that another server hears: what it is asked, what is made of its answers, and what happens without it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.transcription.engine.conftest import ROOT, Engine
from tests.transcription.engine.openai_server import OpenAIServer, spoken
from tests.waiting import until
from transcription.engine.client import EngineClient
from transcription.engine.modes import transcribe
from transcription.engine.remote_backend import answers
from transcription.engine.remote_backend.model import RemoteVocabulary
from transcription.engine.types import MODES, DecodeOptions, Mode, Window, WindowFailed, WindowRejected, WindowResult

SECRET = "a-key-of-the-server"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[OpenAIServer, str]]:
    """A server, and the socket of an engine that asks it for `clinic`, which it calls acme/whisper-clinic."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder, OpenAIServer().open() as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REMOTE_ENGINE_KEY", SECRET)
            models = "base,clinic=acme/whisper-clinic,cloud=remote:whisper-1,late=remote:late"
            address = str(Path(folder) / "socket")
            engine = Engine(address, Path(folder), "remote", models, ("--remote-url", server.url))
        yield server, address
        engine.stop()


@pytest.fixture
def server(running: tuple[OpenAIServer, str]) -> OpenAIServer:
    running[0].answer, running[0].refusals, running[0].breaks_at = spoken("Hello there."), [], 0.0
    running[0].asked.clear()
    return running[0]


@pytest.fixture
def client(running: tuple[OpenAIServer, str]) -> EngineClient:
    return EngineClient(running[1], patience=20.0)


def sound(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """No two are alike: what was asked once is not asked again."""
    return np.random.default_rng().normal(0, 3000, round(seconds * 16_000)).astype(np.int16)


def hear(client: EngineClient, options: DecodeOptions, seconds: float = 5.0) -> WindowResult:
    (result,) = client.decode([Window(0, 0.0, seconds, sound(seconds))], options)
    return result


def failure_of(client: EngineClient) -> str:
    with pytest.raises(WindowFailed) as failed:
        hear(client, DecodeOptions("base", language="en"), 7.0)
    return str(failed.value)


def test_a_window_is_asked_for_as_openai_has_it(server: OpenAIServer, client: EngineClient) -> None:
    options = DecodeOptions("clinic", language="en", prompt="Dear Alice,", hotwords="Acme", temperature=0.5)
    result = hear(client, options)
    (asked,) = server.windows
    assert (asked.path, asked.key, asked.seconds) == ("/v1/audio/transcriptions", f"Bearer {SECRET}", 5.0)
    assert asked.fields == {
        "model": ["acme/whisper-clinic"],
        "response_format": ["verbose_json"],
        "temperature": ["0.5"],
        "timestamp_granularities[]": ["segment"],
        "language": ["en"],
        "prompt": ["Acme Dear Alice,"],
    }
    (segment,) = result.segments
    assert (segment.text, segment.start, segment.end, segment.avg_logprob) == (" Hello there.", 0.0, 2.0, -0.25)
    assert segment.tokens == (), "letters are no tokens of Whisper's"
    assert result.model_version.startswith("clinic ")


def test_a_model_is_called_as_the_server_calls_it(server: OpenAIServer, client: EngineClient) -> None:
    for model in ("base", "cloud"):
        hear(client, DecodeOptions(model, language="en"))
    assert [asked.fields["model"] for asked in server.windows] == [["base"], ["whisper-1"]]


def test_a_language_is_detected_by_the_answer_which_is_the_text_too(server: OpenAIServer, client: EngineClient) -> None:
    server.answer = spoken("Uno, dos.", language="spanish")
    result = hear(client, DecodeOptions("base"))
    assert (result.language, result.segments[0].text) == ("es", " Uno, dos.")
    assert ["language" in asked.fields for asked in server.windows] == [False]


def test_a_translation_is_asked_for_as_one(server: OpenAIServer, client: EngineClient) -> None:
    hear(client, DecodeOptions("base", language="es", task="translate"))
    assert (server.windows[0].path, "language" in server.windows[0].fields) == ("/v1/audio/translations", False)


def test_words_come_with_the_text(server: OpenAIServer, client: EngineClient) -> None:
    words = [{"word": "Hello", "start": 0.2, "end": 0.6}, {"word": "there", "start": 0.8, "end": 1.4}]
    server.answer = spoken("Hello, there.", words=words)
    result = hear(client, DecodeOptions("base", language="en", word_timestamps=True))
    assert [(word.word, word.start, word.end) for word in result.segments[0].words] == [
        (" Hello,", 0.2, 0.6),
        (" there.", 0.8, 1.4),
    ]
    assert server.windows[0].fields["timestamp_granularities[]"] == ["segment", "word"]
    server.answer = spoken("Hello, there.")
    with pytest.raises(WindowFailed, match="times no words: leave word times out"):
        hear(client, DecodeOptions("base", language="en", word_timestamps=True))


@pytest.mark.parametrize("mode", MODES)
def test_a_long_recording_is_heard_in_windows(
    server: OpenAIServer, client: EngineClient, mode: Mode, fox: bytes
) -> None:
    pcm = fox * 12
    server.answer = spoken("Hello there.")
    options = DecodeOptions("base", language="en", skip_non_speech=False)
    results = list(transcribe(client, [pcm], options, mode))
    assert len(results) >= 2
    assert all(asked.seconds <= 30 for asked in server.windows)
    prompts = [asked.fields.get("prompt") for asked in server.windows]
    assert prompts[:2] == ([None, ["Hello there."]] if mode == "exact" else [None, None])


@pytest.mark.parametrize("status", [429, 503, 401, 404])
def test_windows_wait_for_a_server_that_takes_none(server: OpenAIServer, client: EngineClient, status: int) -> None:
    server.refusals = [(status, {"Retry-After": "1"})] * 2
    assert hear(client, DecodeOptions("base", language="en")).segments
    assert len(server.windows) == 3
    assert client.status().error == ""


def test_windows_wait_while_their_model_cannot_be_opened(server: OpenAIServer, client: EngineClient) -> None:
    server.refusals = [(503, {})] * 2
    assert hear(client, DecodeOptions("late", language="en")).segments


def test_who_asks_is_told_why_windows_wait(server: OpenAIServer, client: EngineClient) -> None:
    server.refusals = [(401, {"Retry-After": "3"})]
    results = client.decode([Window(0, 0.0, 5.0, sound(5.0))], DecodeOptions("base", language="en"))
    heard: list[WindowResult] = []
    waiting = Thread(target=lambda: heard.extend(results))
    waiting.start()
    until(lambda: "refuses with 401: not now; check REMOTE_ENGINE_KEY" in client.status().error)
    waiting.join(20)
    assert (len(heard), client.status().error) == (1, "")


def test_a_window_at_which_the_server_breaks_off_holds_nobody_up_for_ever(
    server: OpenAIServer, client: EngineClient
) -> None:
    server.breaks_at = 7.0
    poisoned = Thread(target=lambda: failures.append(failure_of(client)))
    failures: list[str] = []
    poisoned.start()
    while poisoned.is_alive():
        assert hear(client, DecodeOptions("base", language="en")).segments
    assert "the server breaks off at this window" in failures[0]


def test_a_server_that_fails_on_a_window_is_asked_three_times(server: OpenAIServer, client: EngineClient) -> None:
    server.refusals = [(500, {})] * 2
    assert hear(client, DecodeOptions("base", language="en")).segments
    server.refusals = [(500, {})] * 3
    with pytest.raises(WindowFailed, match="failed with 500: not now"):
        hear(client, DecodeOptions("base", language="en"))
    server.refusals = [(400, {})]
    with pytest.raises(WindowFailed, match="failed with 400: not now"):
        hear(client, DecodeOptions("base", language="en"))


def test_an_improbable_text_is_asked_for_again_at_higher_temperatures(
    server: OpenAIServer, client: EngineClient
) -> None:
    server.answer = spoken("ha " * 100)
    assert hear(client, DecodeOptions("base", language="en")).segments[0].temperature == 1.0
    assert [asked.fields["temperature"] for asked in server.windows] == [
        ["0"],
        ["0.2"],
        ["0.4"],
        ["0.6"],
        ["0.8"],
        ["1"],
    ]


def test_beams_are_refused(client: EngineClient) -> None:
    with pytest.raises(WindowRejected, match="a remote server searches with no beams"):
        hear(client, DecodeOptions("base", language="en", beam_size=5))


def test_a_server_that_goes_away_and_comes_back_is_waited_for(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        told = OpenAIServer()
        address = str(Path(folder) / "socket")
        with told.open():
            engine = Engine(address, tmp_path, "remote", "base", ("--remote-url", told.url))
        client = EngineClient(address)
        heard: list[WindowResult] = []
        waiting = Thread(target=lambda: heard.append(hear(client, DecodeOptions("base", language="en"))))
        waiting.start()
        until(lambda: "cannot be reached" in client.status().error)
        port = int(told.url.split(":")[2].split("/")[0])
        with told.open(port):
            waiting.join(20)
        engine.stop()
        assert [result.segments[0].text for result in heard] == [" Hello there."]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "the remote backend needs a server: set REMOTE_ENGINE_URL"),
        ("ftp://server", "REMOTE_ENGINE_URL is no address of an API"),
        ("http://me:secret@server/v1", "put the key into REMOTE_ENGINE_KEY"),
        ("http://127.0.0.1:9/v1", "cannot load base: 127.0.0.1:9 cannot be reached"),
    ],
)
def test_an_engine_without_its_server_says_what_is_missing(tmp_path: Path, url: str, reason: str) -> None:
    command = [sys.executable, "-m", "transcription.engine", "serve", "--socket", str(tmp_path / "s")]
    more = ["--backend", "remote", "--remote-url", url, "--weights", str(tmp_path)]
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert reason in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr.replace("REMOTE_ENGINE_KEY", "")


@pytest.mark.parametrize("text", [" Hello, “Alice”… 3.5 %", "日本語のテキスト", "👩‍👩‍👧 x"])
def test_letters_are_what_they_spell(text: str) -> None:
    vocabulary = RemoteVocabulary("base")
    tokens = vocabulary.encode(text)
    assert vocabulary.decode([vocabulary.timestamp_begin, *tokens]) == text
    assert all(token < vocabulary.eot for token in tokens)


def test_segments_lie_one_after_the_other_within_the_window() -> None:
    stray = [{"start": -1.0, "end": 3.0, "text": "One."}, {"start": 2.0, "end": 9.0, "text": " two "}]
    parts = answers.parts_of({"segments": [*stray, {"start": 1, "end": 2, "text": " "}]}, 5.0, "en")
    assert parts == [answers.Part(0.0, 3.0, " One."), answers.Part(3.0, 5.0, " two")]
    assert answers.parts_of({"text": "Hello."}, 5.0, "en") == [answers.Part(0.0, 5.0, " Hello.")]
    assert answers.parts_of({"text": "你好"}, 5.0, "zh") == [answers.Part(0.0, 5.0, "你好")]
    assert answers.parts_of({"text": ""}, 5.0, "en") == []
