"""`manage.py model`: what an operator sees and what it leaves on the disk."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from tests.transcription.engine.model_hub import Hub, model_files, whisper_files
from tests.transcription.engine.own_models import VOCABULARY, config_of, put, safetensors, weights_of_transformers
from transcription.engine import weights
from transcription.management.commands import model
from transcription.options import offered_models


class Terminal(io.StringIO):
    """A stream that claims to be somebody's terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    """Where weights are kept; this installation offers base and small, and reads CTranslate2's form."""
    settings.WHISPER_WEIGHTS = tmp_path / "models"
    settings.WHISPER_MODELS = ["base", "small"]
    settings.WHISPER_BACKEND = "ctranslate2"
    offered_models.offered_models.cache_clear()
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def _ask_again() -> Iterator[None]:
    yield
    offered_models.offered_models.cache_clear()


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Hugging Face, with small and tiny."""
    with Hub().open() as hub:
        hub.put("small", model_files())
        hub.put("tiny", model_files())
        monkeypatch.setattr(weights, "HUGGING_FACE", hub.url)
        yield hub


def run(*arguments: str) -> str:
    """What the command prints."""
    output = io.StringIO()
    call_command("model", *arguments, stdout=output)
    return output.getvalue()


def line_of(name: str) -> list[str]:
    lines = (line.split() for line in run("list").splitlines())
    return next(line for line in lines if line and line[0] == name)


def test_the_list_says_what_there_is_what_is_here_and_what_is_offered(folder: Path) -> None:
    assert line_of("large-v3") == ["large-v3", "Large", "v3", "1550", "M", "3087", "MB", "-", "-"]
    assert line_of("base")[-3:] == ["-", "-", "default"]
    assert line_of("small")[-3:] == ["-", "-", "yes"]
    run("fetch", "small")
    assert line_of("small")[5:] == ["MB", "3", "MB", "-", "yes"]
    (folder / "ctranslate2" / "small" / "model.bin").write_bytes(b"")
    assert line_of("small")[6:9] == ["damaged,", "0", "MB"]


def test_fetch_says_how_far_it_is_in_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    output = run("fetch", "small", "tiny")
    assert [line.split(":")[0] for line in output.splitlines()] == ["small", "tiny"]
    progress = [line for line in capsys.readouterr().err.splitlines() if line.startswith("model.bin")]
    assert 2 * 3 <= len(progress) <= 2 * 11
    assert "100 %, 3.1 of 3.1 MB" in progress[-1]
    assert progress[-1].endswith("MB/s")


def test_on_a_terminal_progress_stays_on_one_line() -> None:
    terminal = Terminal()
    progress = model.Progress(terminal)
    for done in range(0, 101, 5):
        progress("model.bin", done * 1_000_000, 100_000_000)
    assert terminal.getvalue().count("\r") == 21
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("\n")


def test_fetch_takes_what_is_offered_when_nothing_is_named(hub: Hub) -> None:
    hub.put("base", model_files())
    assert [line.split(":")[0] for line in run("fetch").splitlines()] == ["base", "small"]


def test_fetch_asks_the_mirrors_of_the_settings_and_of_the_command(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, settings: LazySettings, folder: Path
) -> None:
    monkeypatch.setattr(weights, "HUGGING_FACE", "http://127.0.0.1:9")
    run("fetch", "tiny", "--mirror", hub.url)
    settings.WHISPER_MIRRORS = [hub.url]
    run("fetch", "small")
    assert {path.name for path in (folder / "ctranslate2").iterdir()} == {"tiny", "small"}


def test_fetch_copies_what_the_operator_has(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name, content in model_files().items():
        (own / name).write_bytes(content)
    run("fetch", "base", "--from", str(own))
    assert "base (ctranslate2): OK" in run("verify", "base")
    with pytest.raises(CommandError, match="takes the name of one model"):
        run("fetch", "--from", str(own))


def test_fetch_does_not_store_one_models_weights_under_anothers_name(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name, content in whisper_files("large-v3").items():
        (own / name).write_bytes(content)
    with pytest.raises(CommandError, match=r"the weights of large-v3 \(128 mels, .+\), not of base \(80 mels, "):
        run("fetch", "base", "--from", str(own))
    assert line_of("base")[-3:] == ["-", "-", "default"]


def test_an_unknown_model_is_refused_with_the_names_there_are() -> None:
    for action in (["fetch", "huge"], ["verify", "huge"], ["remove", "huge", "--yes"]):
        with pytest.raises(CommandError, match=r"no model is called 'huge'; there are tiny, base"):
            run(*action)


def test_verify_names_what_is_damaged_and_the_way_out(folder: Path) -> None:
    run("fetch", "small", "tiny")
    assert run("verify").splitlines() == ["tiny (ctranslate2): OK", "small (ctranslate2): OK"]
    with (folder / "ctranslate2" / "small" / "model.bin").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    output = io.StringIO()
    with pytest.raises(CommandError, match="1 damaged") as error:
        call_command("model", "verify", stdout=output)
    assert error.value.returncode == 1
    assert "repair it with manage.py model fetch small --form ctranslate2" in output.getvalue()
    run("fetch", "small", "--form", "ctranslate2")
    assert run("verify", "small").splitlines() == ["small (ctranslate2): OK"]


def test_verify_of_what_is_not_there_says_where_it_would_be(folder: Path) -> None:
    with pytest.raises(CommandError, match=f"tiny is not on the disk: there is no {folder}"):
        run("verify", "tiny")


def test_a_fetch_that_was_cut_off_is_not_called_damaged(folder: Path, hub: Hub) -> None:
    hub.breaks_after = 50_000
    with pytest.raises(CommandError, match="no source has small"):
        run("fetch", "small")
    assert "small (ctranslate2): incomplete; resume with manage.py model fetch small" in run("verify")
    assert line_of("small")[6] == "partial,"


def test_remove_gives_the_room_back_once_it_is_agreed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("fetch", "tiny")
    monkeypatch.setattr("builtins.input", lambda question: "")
    with pytest.raises(CommandError, match="Nothing was removed"):
        run("remove", "tiny")
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert run("remove", "tiny") == "tiny: 3 MB freed\n"
    assert not list((folder / "ctranslate2").iterdir())


def test_remove_needs_yes_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(question: str) -> str:
        raise EOFError

    run("fetch", "tiny")
    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(CommandError, match="use --yes"):
        run("remove", "tiny")
    assert run("remove", "tiny", "--yes").startswith("tiny: ")


def test_an_operators_own_model_is_listed_fetched_verified_and_removed(
    settings: LazySettings, folder: Path, tmp_path: Path
) -> None:
    own = weights_of_transformers()
    files = {"model.safetensors": safetensors(own), "config.json": config_of(own), **VOCABULARY}
    source = put(tmp_path / "trained", files)
    settings.WHISPER_MODELS = ["small", f"clinic={source}"]
    offered_models.offered_models.cache_clear()
    assert line_of("clinic") == ["clinic", str(source), "-", "-", "yes"]
    assert run("fetch", "clinic") == f"clinic: {folder / 'ctranslate2' / 'clinic'}\n"
    assert run("verify", "clinic") == "clinic (ctranslate2): OK\n"
    with pytest.raises(CommandError, match="clinic is offered here"):
        run("remove", "clinic", "--yes")
    settings.WHISPER_MODELS = ["small"]
    offered_models.offered_models.cache_clear()
    assert line_of("clinic")[1:4] == ["no", "longer", "offered"]
    assert run("remove", "clinic", "--yes").endswith(" MB freed\n")
    assert not list((folder / "ctranslate2").glob("*"))
    assert (source / "model.safetensors").is_file()
    with pytest.raises(CommandError, match="no model is called 'clinic'"):
        run("verify", "clinic")


def test_a_setting_that_cannot_be_meant_is_named(settings: LazySettings) -> None:
    settings.WHISPER_MODELS = ["base=/srv/base"]
    with pytest.raises(CommandError, match=r"WHISPER_MODELS: “base=/srv/base” .+ choose another one"):
        run("list")


def test_the_last_form_of_an_offered_model_goes_only_by_force(folder: Path) -> None:
    run("fetch", "small")
    with pytest.raises(CommandError, match="small is offered here"):
        run("remove", "small", "--yes")
    other = folder / "torch" / "small.pt"
    other.parent.mkdir()
    other.write_bytes(b"the other form")
    assert run("remove", "small", "--yes", "--form", "ctranslate2") == "small: 3 MB freed\n"
    with pytest.raises(CommandError, match="small is offered here"):
        run("remove", "small", "--yes", "--form", "torch")
    assert run("remove", "small", "--yes", "--force") == "small: 0 MB freed\n"


def test_a_machine_with_a_gpu_reads_torchs_form(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered_models.weights_form() == "ctranslate2"
    settings.WHISPER_BACKEND = "torch"
    assert offered_models.weights_form() == "torch"
    settings.WHISPER_BACKEND = "auto"
    monkeypatch.setattr(offered_models, "has_gpu", lambda: True)
    assert offered_models.weights_form() == "torch"


@pytest.mark.weights
def test_what_tells_speakers_apart_is_verified_and_removed(folder: Path, voice_networks: Path) -> None:
    shutil.copytree(voice_networks / "diarization", folder / "diarization")
    assert run("verify", "diarization") == "diarization: OK\n"
    (folder / "diarization" / "campplus.onnx").write_bytes(b"damaged")
    with pytest.raises(CommandError, match="1 damaged"):
        run("verify")
    assert "0 MB" not in run("remove", "diarization", "--yes")
    assert not (folder / "diarization").exists()
    with pytest.raises(CommandError, match="1 damaged"):
        run("verify", "diarization")
