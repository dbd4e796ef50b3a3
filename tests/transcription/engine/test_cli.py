"""The command line reports an error in one line, with the cause and the remedy."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transcription.engine.conftest import ROOT, sample
from tests.transcription.engine.model_hub import model_files
from transcription.engine import arguments
from transcription.engine.audio import find_ffmpeg, read_media

USAGE, FAILED = 2, 1


@pytest.fixture
def clip() -> str:
    """Returns the path of a file with speech."""
    return str(sample("en/quick_brown_fox"))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes all publishers of weights unreachable."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


def complaint(*arguments: str, status: int) -> str:
    """Returns the last line that the command prints before it exits with this status, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "transcription.engine", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["transcribe", "bench"])
def test_a_model_that_there_is_not_is_refused_with_those_there_are(command: str, clip: str) -> None:
    line = complaint(command, "--model", "nonsense", clip, status=USAGE)
    assert "no model is called 'nonsense'; there are tiny, base" in line


@pytest.mark.parametrize("names", ["nonsense", "", "nonsense,base"])
def test_an_engine_whose_first_model_there_is_not_does_not_start(names: str, tmp_path: Path) -> None:
    line = complaint("serve", "--socket", str(tmp_path / "socket"), "--models", names, status=USAGE)
    assert "there are tiny, base" in line


def test_the_first_model_is_served_whatever_the_others_are_called() -> None:
    models = arguments.models("base, clinic=/srv/clinic,nonsense")
    assert [str(model) for model in models] == ["base", "clinic=/srv/clinic", "nonsense"]


def test_an_own_model_whose_source_cannot_be_meant_is_refused(clip: str) -> None:
    line = complaint("transcribe", "--model", "clinic=nowhere", clip, status=USAGE)
    assert "after = comes a path that begins with / or ./, or a repository" in line


def test_what_there_is_not_is_not_fetched(tmp_path: Path) -> None:
    assert "no model is called 'nonsense'" in complaint("fetch", "nonsense", "--weights", str(tmp_path), status=USAGE)


@pytest.mark.parametrize("command", ["transcribe", "bench"])
def test_a_file_that_is_not_there_is_named(command: str, tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}/none.wav" in complaint(command, f"{tmp_path}/none.wav", status=USAGE)
    assert f"{tmp_path} is a folder" in complaint(command, str(tmp_path), status=USAGE)


@pytest.mark.parametrize("content", [b"", b"Dear Alice,\n"], ids=["nothing", "a letter"])
@pytest.mark.parametrize("command", ["transcribe", "bench"])
def test_a_file_that_is_no_media_is_refused_before_an_engine_starts(
    command: str, content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "letter.wav"
    file.write_bytes(content)
    line = complaint(command, str(file), "--weights", str(tmp_path / "none"), status=FAILED)
    assert f"ffmpeg cannot read {file}: " in line
    assert "check that it plays" in line


def test_a_video_without_sound_is_refused(tmp_path: Path, silent_film: Path) -> None:
    assert "check that it plays and has sound" in complaint("transcribe", str(silent_film), status=FAILED)


@pytest.mark.timeout(30)
def test_a_recording_full_of_damage_is_read_to_its_end(tmp_path: Path) -> None:
    """ffmpeg prints more errors about it than a pipe holds."""
    file = tmp_path / "damaged.mp3"
    noise = ["-f", "lavfi", "-i", "anoisesrc=duration=300:sample_rate=16000"]
    subprocess.run([find_ffmpeg(), "-v", "error", *noise, str(file)], check=True)
    damaged = bytearray(file.read_bytes())
    chance = random.Random(1)
    for at in range(4000, len(damaged), 40):
        damaged[at] = chance.randrange(256)
    file.write_bytes(damaged)
    assert sum(map(len, read_media(file))) > 1_000_000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--language", "klingon"], "knows no language 'klingon'; use a code such as en"),
        (["--temperature", "7"], "'7' is not a number from 0 to 1"),
        (["--temperature", "nan"], "'nan' is not a number from 0 to 1"),
        (["--batch-size", "-1"], "'-1' is not a whole number from 0 on"),
        (["--threads", "many"], "'many' is not a whole number from 0 on"),
        (["--beam-size", "99"], "invalid choice"),
        (["--mode", "slow"], "invalid choice"),
        (["--colour", "red"], "unrecognized arguments"),
    ],
)
def test_invalid_arguments_are_refused(arguments: list[str], reason: str, clip: str) -> None:
    assert reason in complaint("transcribe", clip, *arguments, status=USAGE)


def test_a_language_that_the_model_does_not_know_is_refused(clip: str, base_weights: Path) -> None:
    line = complaint("transcribe", clip, "--language", "yue", "--weights", str(base_weights.parents[1]), status=FAILED)
    assert line == "engine: the model base does not know the language 'yue'"


def test_too_little_memory_is_said(clip: str, base_weights: Path) -> None:
    weights = str(base_weights.parents[1])
    line = complaint("transcribe", clip, "--memory-limit-mib", "5", "--weights", weights, status=FAILED)
    assert "5 MiB are too few" in line


def test_a_socket_that_cannot_be_is_named(tmp_path: Path) -> None:
    for address in (tmp_path / "none" / "socket", tmp_path / ("x" * 200)):
        assert f"no socket at {address}: " in complaint(
            "serve", "--device", "cpu", "--socket", str(address), status=FAILED
        )


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("command", ["transcribe", "bench"])
def test_half_a_model_that_nobody_can_mend_is_said_with_every_source(command: str, clip: str, tmp_path: Path) -> None:
    folder = tmp_path / "ctranslate2" / "tiny"
    place(folder, cut=2)
    options = ("--model", "tiny", "--device", "cpu", "--backend", "ctranslate2", "--weights", str(tmp_path))
    line = complaint(command, clip, *options, status=FAILED)
    assert "cannot load tiny: no source has tiny: https://huggingface.co: " in line
    assert f"name a mirror, or copy the model into {tmp_path}" in line


@pytest.mark.parametrize("backend", ["ctranslate2", pytest.param("torch", marks=pytest.mark.torch)])
def test_a_model_that_cannot_be_opened_is_said(backend: str, tmp_path: Path) -> None:
    if backend == "torch":
        pytest.importorskip("whisper")
    place(tmp_path / "ctranslate2" / "tiny")
    options = ("--models", "tiny", "--device", "cpu", "--backend", backend, "--weights", str(tmp_path))
    line = complaint("serve", "--socket", str(tmp_path / "socket"), *options, status=FAILED)
    assert "cannot load tiny: " in line


def test_weights_that_are_no_folder_are_said(tmp_path: Path, clip: str) -> None:
    file = tmp_path / "models"
    file.touch()
    assert "tiny cannot be put into" in complaint("fetch", "tiny", "--weights", str(file), status=FAILED)


def place(folder: Path, cut: int = 1) -> None:
    """Returns the folder of a model with random weights, of which only one part in `cut` is there."""
    folder.mkdir(parents=True)
    for name, content in model_files().items():
        (folder / name).write_bytes(content[: len(content) // cut] if name == "model.bin" else content)
