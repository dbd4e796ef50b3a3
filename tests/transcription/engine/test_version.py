"""The model version changes whenever the results may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.transcription.engine.fake_backend import FakeBackend
from transcription.engine import version
from transcription.engine.backend import Backend
from transcription.engine.client import EngineClient
from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend
from transcription.engine.model_folder import MODEL, SUMS, sha256
from transcription.engine.types import DecodeOptions
from transcription.engine.version import version_of
from transcription.engine.windows import fast_windows


@pytest.fixture
def backend() -> Backend:
    return Ctranslate2Backend("cpu", threads=1)


def test_an_engine_says_what_it_serves_and_so_does_each_result(
    client: EngineClient, fox: bytes, english: DecodeOptions, base_weights: Path
) -> None:
    (result,) = client.decode(fast_windows([fox]), english)
    assert client.status().versions == {"base": result.model_version}
    model, weights, library, *rest = result.model_version.split()
    assert (model, rest[2:]) == ("base", ["cpu", f"r{version.REVISION}"])
    assert library in ("openvino", "ctranslate2")
    assert rest[1].split("+")[0] == "int8"
    assert sha256(base_weights / "model.bin").startswith(weights)


def folder(place: Path, content: bytes, sums: str = "") -> Path:
    place.mkdir()
    (place / MODEL).write_bytes(content)
    if sums:
        (place / SUMS).write_text(f"{sums}  {MODEL}\n")
    return place


def test_other_weights_or_another_way_to_run_them_are_another_version(tmp_path: Path, backend: Backend) -> None:
    one, two = folder(tmp_path / "one", b"one"), folder(tmp_path / "two", b"two")
    copy = shutil.copytree(one, tmp_path / "copy")
    assert version_of("base", one, backend) == version_of("base", copy, backend)
    small, large = FakeBackend(compute_type="int8"), FakeBackend(compute_type="float32")
    assert len({version_of("base", one, small), version_of("base", two, small), version_of("base", one, large)}) == 3


def test_the_sum_that_was_noted_saves_reading_the_file(tmp_path: Path, backend: Backend) -> None:
    assert " abcdabcdabcd " in version_of("base", folder(tmp_path / "noted", b"one", "abcd" * 16), backend)


def test_a_single_file_has_its_own_sum(tmp_path: Path, backend: Backend) -> None:
    file = tmp_path / "base.pt"
    file.write_bytes(b"weights")
    assert f" {sha256(file)[:12]} " in version_of("base", file, backend)
