"""OpenVINO encodes what CTranslate2 decodes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transcription.engine.conftest import ROOT
from tests.transcription.engine.model_hub import model_file
from tests.transcription.engine.test_ctranslate2 import text_of, work_of
from transcription.engine.ctranslate2_backend import Ctranslate2Backend, encoders
from transcription.engine.ctranslate2_backend.encoders import Encoder, Features, OwnEncoder
from transcription.engine.ctranslate2_backend.model import Ctranslate2Model, Replica
from transcription.engine.ctranslate2_backend.replica import Plan, load
from transcription.engine.ctranslate2_backend.vocabulary import Ctranslate2Vocabulary
from transcription.engine.mel import features
from transcription.engine.types import SAMPLE_RATE, Window

MODULE = "transcription.engine.ctranslate2_backend.openvino_encoder"


def mel_of(pcm: bytes) -> Features:
    """(1, 80, 3000)."""
    samples = np.frombuffer(pcm, dtype="<i2")
    return features(Window(0, 0.0, len(samples) / SAMPLE_RATE, samples), 80)[None]


def openai_whispers(folder: Path, mels: Features) -> Features:
    """Returns openai-whisper's encodings, (windows, length, state), in float32."""
    import torch

    from transcription.engine.torch_backend.loading import load_whisper

    encoder = load_whisper("base", folder).encoder
    encoder.positional_embedding = encoder.positional_embedding[: (mels.shape[-1] + 1) // 2]
    with torch.inference_mode():
        encodings: Features = encoder(torch.from_numpy(mels)).numpy()
    return encodings


def distance(encodings: Features, expected: Features) -> float:
    """Returns the norm of the difference over the norm of what is expected."""
    assert encodings.shape == expected.shape
    return float(np.linalg.norm(encodings - expected) / np.linalg.norm(expected))


@pytest.fixture(scope="module")
def encoder(base_weights: Path) -> Encoder:
    pytest.importorskip("openvino")
    openvino_encoder = importlib.import_module(MODULE)
    found: Encoder = openvino_encoder.OpenvinoEncoder(openvino_encoder.encoder_graph(base_weights), 2, 1)
    return found


@pytest.fixture(scope="module")
def own(base_weights: Path) -> Any:
    """CTranslate2's model, which decodes and has an encoder of its own."""
    return load(base_weights, "cpu", Plan("int8", 1, 1))


@pytest.mark.parity
@pytest.mark.parametrize("frames", [3000, 777, 10])
def test_encodings_of_any_length_are_openai_whispers(untrained: Path, frames: int) -> None:
    """Where less than 30 s are encoded, openai-whisper's positions are cut."""
    pytest.importorskip("openvino")
    openvino_encoder = importlib.import_module(MODULE)
    encoder = openvino_encoder.OpenvinoEncoder(openvino_encoder.encoder_graph(untrained), 1, 1)
    mels = np.random.default_rng(0).normal(0.0, 0.3, (2, 80, frames)).astype(np.float32)
    assert distance(encoder(mels), openai_whispers(untrained, mels)) < 0.01


@pytest.mark.parity
def test_encodings_are_nearer_to_openai_whispers_than_ctranslate2s_are(
    encoder: Encoder, own: Any, base_weights: Path, fox: bytes
) -> None:
    mels, heard = mel_of(fox), slice(0, len(fox) // 2 // 320)
    expected = openai_whispers(base_weights, mels)[:, heard]
    assert distance(encoder(mels)[:, heard], expected) < distance(OwnEncoder(own)(mels)[:, heard], expected) < 0.1


def test_a_window_s_encoding_does_not_depend_on_its_company(encoder: Encoder, fox: bytes, conteo: bytes) -> None:
    mels = [mel_of(fox), mel_of(conteo)]
    together = encoder(np.concatenate(mels))
    with ThreadPoolExecutor(2) as pool:
        alone = list(pool.map(encoder, mels))
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_a_window_that_openvino_encoded_has_the_same_text(
    encoder: Encoder, own: Any, base_weights: Path, fox: bytes, conteo: bytes
) -> None:
    vocabulary = Ctranslate2Vocabulary.read(base_weights, own.is_multilingual)
    one, other = (Ctranslate2Model(Replica(own, each), None, vocabulary) for each in (encoder, OwnEncoder(own)))
    for pcm, language in ((fox, "en"), (conteo, "es")):
        assert text_of(one, work_of(pcm, language)) == text_of(other, work_of(pcm, language))


def test_a_model_that_openvino_encodes_says_so(base_weights: Path, fox: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(encoders, "is_faster", lambda rival, own, n_mels: True)
    backend = Ctranslate2Backend("cpu", 1)
    opened = backend.open("base", base_weights)
    assert "+openvino-" in backend.library_version
    assert "quick brown fox" in text_of(opened, work_of(fox)).lower()
    opened.close()


def test_without_openvino_ctranslate2_encodes(base_weights: Path, fox: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    backend = Ctranslate2Backend("cpu", 1)
    opened = backend.open("base", base_weights)
    assert "openvino" not in backend.library_version
    assert "quick brown fox" in text_of(opened, work_of(fox)).lower()
    opened.close()


def test_weights_that_were_quantised_are_left_to_ctranslate2(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "model.bin").write_bytes(model_file())
    assert encoders.openvino_encoders(tmp_path, Plan("int8", 1, 1), 1, 0, None) is None
    assert "quantised" in caplog.text


@pytest.mark.parametrize(("rival", "expected"), [(0.02, True), (0.1, False)])
def test_openvino_encodes_only_where_it_takes_clearly_less_of_the_processor(rival: float, expected: bool) -> None:
    def taking(seconds: float) -> Encoder:
        def encode(mels: Features) -> Features:
            until = time.process_time() + seconds
            while time.process_time() < until:
                pass
            return mels

        return encode

    assert encoders.is_faster(taking(rival), taking(0.1), 80) is expected


def test_importing_openvino_reports_to_nobody(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "openvino_telemetry.py").write_text("raise SystemExit('imported')\n")
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", f"import {MODULE}"], cwd=ROOT, env=environment, check=True)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".pyc"] == ["openvino_telemetry.py"]
