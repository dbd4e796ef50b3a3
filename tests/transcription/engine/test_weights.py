"""Weights are verified, fetched again if they are damaged, and errors name the reason."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.transcription.engine.model_hub import Hub, model_file, model_files, whisper_files
from transcription.engine import catalogue, download, weights
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.ct2_file import dimensions_of
from transcription.engine.model_folder import NEEDED, SUMS, damage
from transcription.engine.weights import WeightsError, ensure, install, remove, stored, verify

NOWHERE = "http://127.0.0.1:9"
FETCH = """
import logging, os, resource, signal, sys
from pathlib import Path
from transcription.engine import weights
weights.HUGGING_FACE = sys.argv[1]
print(weights.ensure("tiny", "ctranslate2", Path(sys.argv[2]), lambda *_: None))
"""


def quiet(name: str, done: int, total: int) -> None:
    """Ignores progress."""


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def fetching(hub: Hub, folder: Path, script: str = FETCH) -> subprocess.Popen[str]:
    """Starts another process that fetches tiny from the hub."""
    command = [sys.executable, "-c", script, hub.url, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(autouse=True)
def publishers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the real publishers unreachable, except for the tests of base itself."""
    if "base_weights" not in request.fixturenames:
        monkeypatch.setattr(weights, "HUGGING_FACE", NOWHERE)
        monkeypatch.setattr(catalogue, "OPENAI", NOWHERE)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, publishers: None) -> Iterator[Hub]:
    """Starts a hub that serves tiny in place of Hugging Face."""
    with Hub().open() as hub:
        hub.put("tiny", model_files())
        monkeypatch.setattr(weights, "HUGGING_FACE", hub.url)
        yield hub


@pytest.fixture
def tiny(hub: Hub, tmp_path: Path) -> Path:
    """Returns the folder of tiny, fetched into tmp_path."""
    return ensure("tiny", "ctranslate2", tmp_path, quiet)


@pytest.fixture
def openai(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Serves a small file as OpenAI's own one of tiny, and returns its contents."""
    content = b"weights" * 20_000
    facts = replace(CATALOGUE["tiny"], openai_sha256=sum_of(content))
    monkeypatch.setitem(CATALOGUE, "tiny", facts)
    monkeypatch.setattr(catalogue, "OPENAI", hub.url)
    hub.files[f"/{facts.openai_sha256}/tiny.pt"] = content
    return content


def test_base_is_whole(base_weights: Path) -> None:
    assert not damage(base_weights)
    assert verify("base", "ctranslate2", base_weights.parents[1]).whole


def test_half_a_model_file_is_repaired(base_weights: Path, tmp_path: Path) -> None:
    place = tmp_path / "ctranslate2" / "base"
    shutil.copytree(base_weights, place)
    whole = (place / "model.bin").stat().st_size
    with (place / "model.bin").open("r+b") as model:
        model.truncate(whole // 2)
    assert ensure("base", "ctranslate2", tmp_path, quiet) == place
    assert (place / "model.bin").stat().st_size > whole // 2
    assert not damage(place)
    assert [file.name for file in place.parent.iterdir()] == ["base"]


def test_every_damage_is_found_and_repaired(tiny: Path, tmp_path: Path) -> None:
    whole = (tiny / "model.bin").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:10], b"", whole[:-9] + b"x" + whole[-8:]):
        (tiny / "model.bin").write_bytes(damaged)
        assert not verify("tiny", "ctranslate2", tmp_path).whole
        assert ensure("tiny", "ctranslate2", tmp_path, quiet) == tiny
        assert (tiny / "model.bin").read_bytes() == whole
    (tiny / "tokenizer.json").unlink()
    assert verify("tiny", "ctranslate2", tmp_path).reason == "tokenizer.json missing"
    assert not damage(ensure("tiny", "ctranslate2", tmp_path, quiet))


def test_a_file_that_is_cut_off_shows_without_hashing(tiny: Path, tmp_path: Path) -> None:
    for notes in (tiny / SUMS).read_text(), "":
        (tiny / SUMS).write_text(notes)
        whole = (tiny / "model.bin").read_bytes()
        assert stored("tiny", "ctranslate2", tmp_path).state == "whole"  # type: ignore[union-attr]
        (tiny / "model.bin").write_bytes(whole[:-5])
        assert stored("tiny", "ctranslate2", tmp_path).state == "damaged"  # type: ignore[union-attr]
        (tiny / "model.bin").write_bytes(whole)


def test_the_notes_are_what_sha256sum_reads(tiny: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=tiny, check=True)


def test_a_file_with_the_wrong_checksum_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files["/some/file"] = b"not a model"
    with pytest.raises(download.DownloadError, match=r"has SHA-256"):
        download.fetch(f"{hub.url}/some/file", tmp_path / "copy", quiet, sha256="0" * 64)
    assert not list(tmp_path.iterdir())


def test_what_arrives_is_held_against_the_sum_that_the_hub_names(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "sha256_in", lambda headers: "f" * 64)
    with pytest.raises(WeightsError, match=r"f{64}"):
        ensure("tiny", "ctranslate2", tmp_path, quiet)
    assert not list((tmp_path / "ctranslate2").iterdir())


def test_sources_are_asked_in_their_order(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as error:
        ensure("tiny", "torch", tmp_path, quiet, mirrors=["http://127.0.0.1:10"])
    named = [str(error.value).find(name) for name in (f"{NOWHERE}/65147", f"{NOWHERE}: ", "http://127.0.0.1:10: ")]
    assert named == sorted(named)
    assert named[0] > 0


def test_a_mirror_serves_what_the_publisher_does_not(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "HUGGING_FACE", NOWHERE)
    place = ensure("tiny", "ctranslate2", tmp_path, quiet, mirrors=[NOWHERE, f"{hub.url}/"])
    assert (place / "model.bin").read_bytes() == model_files()["model.bin"]
    assert not damage(place)


def test_only_what_the_backends_read_is_fetched(hub: Hub, tiny: Path) -> None:
    assert sorted(file.name for file in tiny.iterdir()) == sorted([*NEEDED, SUMS, "vocabulary.txt"])
    assert sorted(path.rsplit("/", 1)[1] for path, _ in hub.served) == sorted([*NEEDED, "vocabulary.txt"])


def test_what_is_whole_is_not_fetched_again(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    hub.served.clear()
    assert ensure("tiny", "ctranslate2", tmp_path, quiet) == tiny
    assert not hub.served


def test_a_killed_fetch_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    script = FETCH.replace("lambda *_: None", "lambda name, *_: name == 'model.bin' and os.kill(os.getpid(), 9)")
    killed = fetching(hub, tmp_path, script)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert stored("tiny", "ctranslate2", tmp_path).state == "partial"  # type: ignore[union-attr]
    place = ensure("tiny", "ctranslate2", tmp_path, quiet)
    assert hub.starts("model.bin") == [0, download.CHUNK_BYTES]
    assert (place / "model.bin").read_bytes() == model_files()["model.bin"]
    assert [file.name for file in place.parent.iterdir()] == ["tiny"]


def test_a_broken_connection_is_taken_up_again(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 2 * download.CHUNK_BYTES
    place = ensure("tiny", "ctranslate2", tmp_path, quiet)
    assert hub.starts("model.bin") == [0, 2 * download.CHUNK_BYTES]
    assert not damage(place)


def test_a_connection_that_brings_too_little_is_given_up_but_what_came_is_kept(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 100_000
    with pytest.raises(WeightsError, match=r"ended after 2000000 of \d+ bytes"):
        ensure("tiny", "ctranslate2", tmp_path, quiet)
    hub.breaks_after = 0
    hub.served.clear()
    assert not damage(ensure("tiny", "ctranslate2", tmp_path, quiet))
    assert hub.starts("model.bin") == [download.ATTEMPTS * 100_000]


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
@pytest.mark.parametrize("sums", [True, False], ids=["with sums", "without sums"])
@pytest.mark.parametrize("size", [1_000, 10_000_000], ids=["too short", "too long"])
def test_what_is_left_of_another_file_does_no_harm(
    hub: Hub, tmp_path: Path, ranges: bool, sums: bool, size: int
) -> None:
    hub.ranges, hub.names_sums = ranges, sums
    left = tmp_path / "ctranslate2" / ".tiny.part" / "model.bin.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(model_file(seed=2)[:size].ljust(size))
    place = ensure("tiny", "ctranslate2", tmp_path, quiet)
    assert (place / "model.bin").read_bytes() == model_files()["model.bin"]


def test_two_processes_at_once_fetch_one_model_once(hub: Hub, tmp_path: Path) -> None:
    processes = [fetching(hub, tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    place = tmp_path / "ctranslate2" / "tiny"
    assert [output.strip() for output, _ in outputs] == [str(place)] * 2
    assert hub.starts("model.bin") == [0]
    assert not damage(place)


def test_a_full_disk_is_called_a_full_disk_and_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\nprint("
    process = fetching(hub, tmp_path, FETCH.replace("print(", limit))
    _, complaint = process.communicate(timeout=60)
    assert "the disk is full: tiny needs about 76 MB" in complaint
    assert not list((tmp_path / "ctranslate2").iterdir())


def test_what_would_fill_the_disk_is_refused_before_the_first_byte(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=12_345_678))
    with pytest.raises(WeightsError, match=r"tiny needs about 76 MB in .*, where 12 MB are free"):
        ensure("tiny", "ctranslate2", tmp_path, quiet)
    assert not hub.served


def test_a_folder_that_nobody_may_write_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(WeightsError, match=f"tiny cannot be put into {tmp_path}: Permission denied"):
        ensure("tiny", "ctranslate2", tmp_path, quiet)


def test_the_operators_own_folder_is_copied_and_checked(tiny: Path, tmp_path: Path) -> None:
    (tiny / "malice.py").write_text("raise SystemExit")
    place = install("tiny", tmp_path / "cache", tiny, quiet)
    assert not damage(place)
    assert not (place / "malice.py").exists()
    (tiny / "config.json").write_text("{ }")
    with pytest.raises(WeightsError, match=r"config\.json is not what its SHA256SUMS says"):
        install("tiny", tmp_path / "other", tiny, quiet)
    with pytest.raises(WeightsError, match=NEEDED[0]):
        install("tiny", tmp_path / "other", tmp_path, quiet)


@pytest.mark.parametrize("model", CATALOGUE)
def test_the_weights_of_one_model_are_not_stored_as_another(model: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, whisper_files(model))
    for name in CATALOGUE:
        if name == model:
            assert not damage(install(name, tmp_path, own, quiet))
            continue
        with pytest.raises(WeightsError, match=rf"weights of {model} \(.+\), not of {name} \("):
            install(name, tmp_path, own, quiet)
        assert stored(name, "ctranslate2", tmp_path) is None


def test_weights_of_no_model_that_there_is_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    put(own, whisper_files("small"))
    monkeypatch.delitem(CATALOGUE, "small")
    with pytest.raises(
        WeightsError, match=r"no model that can be chosen \(80 mels, a width of 768, 12 and 12 layers\)"
    ):
        install("tiny", tmp_path, own, quiet)


def test_a_source_with_another_models_weights_is_passed_over(hub: Hub, tmp_path: Path) -> None:
    hub.put("tiny", whisper_files("small"))
    with pytest.raises(WeightsError, match=r"the weights of small \(.+\), not of tiny"):
        ensure("tiny", "ctranslate2", tmp_path, quiet)
    assert not list((tmp_path / "ctranslate2").iterdir())


@pytest.mark.parametrize("named", [b"{}", b'{"alignment_heads": [[7, 0], [25, 6]]}'], ids=["none", "of large-v3"])
def test_a_distilled_model_times_words_by_heads_that_it_has(hub: Hub, named: bytes, tmp_path: Path) -> None:
    """Heads of layers that it lacks end CTranslate2's process."""
    hub.put("distil-large-v3.5", whisper_files("distil-large-v3.5") | {"config.json": named})
    place = ensure("distil-large-v3.5", "torch", tmp_path, quiet)
    heads = json.loads((place / "config.json").read_text())["alignment_heads"]
    assert heads == [[1, head] for head in range(20)]
    assert not damage(place)


def test_heads_that_a_model_has_are_kept(hub: Hub, tmp_path: Path) -> None:
    hub.put("turbo", whisper_files("turbo") | {"config.json": b'{"alignment_heads": [[2, 4], [3, 19]]}'})
    place = ensure("turbo", "ctranslate2", tmp_path, quiet)
    assert (place / "config.json").read_bytes() == b'{"alignment_heads": [[2, 4], [3, 19]]}'


def test_the_dimensions_in_the_catalogue_are_those_of_the_weights(base_weights: Path) -> None:
    assert dimensions_of(base_weights / "model.bin") == CATALOGUE["base"].dimensions


def test_the_operators_own_file_must_be_openais(openai: bytes, tmp_path: Path) -> None:
    own = tmp_path / "own.pt"
    own.write_bytes(openai)
    assert install("tiny", tmp_path, own, quiet) == tmp_path / "torch" / "tiny.pt"
    own.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="OpenAI's tiny has"):
        install("tiny", tmp_path / "other", own, quiet)
    own.write_bytes(openai)
    with pytest.raises(WeightsError, match=f"{own} is OpenAI's tiny, not base"):
        install("base", tmp_path / "other", own, quiet)
    assert not list((tmp_path / "other" / "torch").iterdir())


def test_openais_file_is_fetched_and_fetched_again_when_damaged(openai: bytes, tmp_path: Path) -> None:
    file = ensure("tiny", "torch", tmp_path, quiet)
    assert file.read_bytes() == openai
    file.write_bytes(openai[:-1])
    assert not verify("tiny", "torch", tmp_path).whole
    assert ensure("tiny", "torch", tmp_path, quiet) == file
    assert file.read_bytes() == openai


def test_the_other_form_serves_torch_as_well(tiny: Path, tmp_path: Path) -> None:
    assert ensure("tiny", "torch", tmp_path, quiet) == tiny
    damaged = tmp_path / "torch" / "tiny.pt"
    damaged.parent.mkdir()
    damaged.write_bytes(b"damaged, and OpenAI is away")
    assert ensure("tiny", "torch", tmp_path, quiet) == tiny


def test_a_model_that_no_source_has_names_every_source(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:10"):
        ensure("tiny", "ctranslate2", tmp_path, quiet, mirrors=["http://127.0.0.1:10"])
    assert not list((tmp_path / "ctranslate2").iterdir())


def test_what_is_removed_is_gone_with_what_was_left_of_fetches(tiny: Path, tmp_path: Path) -> None:
    left = tmp_path / "ctranslate2" / ".tiny.part" / "model.bin.part"
    left.parent.mkdir()
    left.write_bytes(b"x" * 1000)
    size = sum(file.stat().st_size for file in tiny.iterdir())
    assert remove("tiny", "ctranslate2", tmp_path) == size + 1000
    assert not list((tmp_path / "ctranslate2").iterdir())
    assert remove("tiny", "ctranslate2", tmp_path) == 0


def test_the_catalogue_is_openais() -> None:
    whisper = pytest.importorskip("whisper")
    for model in (model for model in CATALOGUE.values() if model.openai_file):
        url = whisper._MODELS[model.name]
        assert url.endswith(f"/{model.openai_sha256}/{model.openai_file}")
        assert model.dimensions.n_mels == (128 if "large-v3" in url else 80)
