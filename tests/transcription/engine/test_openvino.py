"""OpenVINO's graphs are Whisper's, and its texts are openai-whisper's for the same numbers."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray
from whisper.decoding import BeamSearchDecoder, DecodingOptions, DecodingResult, DecodingTask, Inference
from whisper.model import Whisper

from tests.transcription.engine.conftest import ROOT
from tests.transcription.engine.model_hub import model_file
from tests.transcription.engine.test_cpu_models import opened_by, text_of, work_of
from transcription.engine import machine
from transcription.engine.backend import Work
from transcription.engine.backend_selection import choose_backend
from transcription.engine.ct2_file import DTYPES, VERSION, read_variables
from transcription.engine.mel import features
from transcription.engine.openvino_backend import trial
from transcription.engine.openvino_backend.backend import OpenvinoBackend
from transcription.engine.openvino_backend.compiled import Streams
from transcription.engine.openvino_backend.decoder import CrossKeysValues, Decoder
from transcription.engine.openvino_backend.encoder import Encoder
from transcription.engine.openvino_backend.graphs import Graphs, graphs_of
from transcription.engine.openvino_backend.model import Heard, OpenvinoModel, Replica
from transcription.engine.openvino_backend.trial import element_type, is_suited
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, EngineError, Passage, Window
from transcription.engine.whisper_vocabulary import WhisperVocabulary

Features = NDArray[np.float32]
EXACTLY = openvino.Type.f32
"""With less precise numbers, ties of an untrained model are broken by rounding."""


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 2), (4, 4), (8, 4), (64, 4)])
def test_cores_are_shared_out(cores: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: cores)
    backend = OpenvinoBackend(0)
    assert (backend.workers, backend.encoders) == (workers, workers)


def openai_whispers(folder: Path, mels: Features) -> Features:
    """Returns openai-whisper's encodings, (windows, length, state), in float32."""
    encoder = whisper_of(folder).encoder
    encoder.positional_embedding = encoder.positional_embedding[: (mels.shape[-1] + 1) // 2]
    with torch.inference_mode():
        encodings: Features = encoder(torch.from_numpy(mels)).numpy()
    return encodings


def whisper_of(folder: Path) -> Whisper:
    from transcription.engine.torch_backend.loading import load_whisper

    return load_whisper("base", folder)


def distance(found: Features, expected: Features) -> float:
    """Returns the norm of the difference over the norm of what is expected."""
    assert found.shape == expected.shape
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def mel_of(pcm: bytes) -> Features:
    """(1, 80, 3000)."""
    samples = np.frombuffer(pcm, dtype="<i2")
    return features(Window(0, 0.0, len(samples) / SAMPLE_RATE, samples), 80)[None]


def graphs(folder: Path, element: openvino.Type = EXACTLY) -> Graphs:
    return graphs_of(folder / "model.bin", [(1, 0), (1, 1)], element)


@pytest.fixture(scope="module")
def streams() -> Iterator[Streams]:
    with Streams(2, 1) as opened:
        yield opened


@pytest.fixture(scope="module")
def small(untrained: Path, streams: Streams) -> OpenvinoModel:
    """Returns the untrained model, which calculates in float32 between its products in int8."""
    own = graphs(untrained)
    vocabulary = WhisperVocabulary.read(untrained)
    return OpenvinoModel(Replica(Encoder(own, streams), Decoder(own, streams)), None, vocabulary)


@pytest.fixture(scope="module")
def decoder(untrained: Path, streams: Streams) -> Decoder:
    return Decoder(graphs(untrained), streams)


@pytest.mark.parametrize("frames", [3000, 777, 10])
def test_encodings_of_any_length_are_openai_whispers(untrained: Path, streams: Streams, frames: int) -> None:
    """Where less than 30 s are encoded, openai-whisper's positions are cut."""
    encoder = Encoder(graphs(untrained, element_type()), streams)
    mels = np.random.default_rng(0).normal(0.0, 0.3, (2, 80, frames)).astype(np.float32)
    assert distance(encoder(mels), openai_whispers(untrained, mels)) < 0.01


def test_encodings_of_trained_weights_are_near_openai_whispers(
    base_weights: Path, streams: Streams, fox: bytes
) -> None:
    encoder, heard = Encoder(graphs(base_weights, element_type()), streams), slice(0, len(fox) // 2 // 320)
    expected = openai_whispers(base_weights, mel_of(fox))
    assert distance(encoder(mel_of(fox))[:, heard], expected[:, heard]) < 0.06


def test_a_windows_encoding_does_not_depend_on_its_company(untrained: Path, streams: Streams) -> None:
    encoder = Encoder(graphs(untrained), streams)
    mels = np.random.default_rng(0).normal(0.0, 0.3, (2, 80, 3000)).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        alone = list(pool.map(encoder, np.split(mels, 2)))
    np.testing.assert_array_equal(encoder(mels), np.concatenate(alone))


@pytest.mark.parametrize("element", [EXACTLY, element_type()])
def test_logits_are_openai_whispers(untrained: Path, streams: Streams, element: openvino.Type) -> None:
    encodings, decoder = noise(3), Decoder(graphs(untrained, element), streams)
    tokens = np.random.default_rng(1).integers(0, 50_000, (3, 40))
    texts = decoder.texts(cross(decoder, encodings))
    found = [texts.feed(tokens[:, :32].tolist(), wanted=range(32)).copy()]
    found += [texts.feed(tokens[:, at : at + 1].tolist()).copy() for at in range(32, 40)]
    with torch.inference_mode():
        expected = whisper_of(untrained).decoder(torch.from_numpy(tokens), torch.from_numpy(encodings)).numpy()
    for ours, theirs in zip(np.concatenate(found, axis=1), expected, strict=True):
        assert distance(ours, theirs) < 0.05


class OurLogits(Inference):  # type: ignore[misc]
    """Has openai-whisper decode a window with our decoder's logits."""

    def __init__(self, decoder: Decoder, encoding: Features) -> None:
        self._decoder = decoder
        self._cross = decoder.cross_keys_values(encoding)

    def logits(self, tokens: torch.Tensor, audio_features: torch.Tensor) -> torch.Tensor:
        texts = self._decoder.texts(CrossKeysValues.joined([self._cross] * len(tokens)))
        return torch.from_numpy(texts.feed(tokens.tolist(), wanted=range(tokens.shape[1])).copy())

    def rearrange_kv_cache(self, source_indices: list[int]) -> None:
        """Does nothing: nothing is kept from call to call."""


def noise(windows: int) -> Features:
    """Returns encodings of as many windows, each of which has another text."""
    return np.random.default_rng(3).normal(0.0, 1.0, (windows, 1500, 64)).astype(np.float32)


def cross(decoder: Decoder, encodings: Features) -> CrossKeysValues:
    return CrossKeysValues.joined([decoder.cross_keys_values(encoding) for encoding in encodings])


def works_of(encodings: Features, prompt: Sequence[int] = (), **options: Any) -> list[Work]:
    window = Window(0, 0.0, 30.0, np.zeros(30 * SAMPLE_RATE, np.int16), passage=Passage(3000, 0, 0.0))
    chosen = DecodeOptions("clinic", **options)
    return [Work(window, chosen, "en", prompt=tuple(prompt), encoding=Heard(encoding)) for encoding in encodings]


def openai_decoded(
    whisper: Whisper, decoder: Decoder, encoding: Features, beams: int, prompt: list[int]
) -> DecodingResult:
    options = DecodingOptions(language="en", fp16=False, beam_size=beams if beams > 1 else None, prompt=prompt or None)
    task = DecodingTask(whisper, options)
    task.inference = OurLogits(decoder, encoding)
    if isinstance(task.decoder, BeamSearchDecoder):
        task.decoder.inference = task.inference
    with torch.inference_mode():
        return task.run(torch.from_numpy(encoding[None]))[0]


@pytest.mark.parametrize(("beams", "prompt"), [(1, []), (2, [1, 2, 3, 400]), (5, [])])
def test_texts_are_openai_whispers_for_the_same_numbers(
    untrained: Path, small: OpenvinoModel, decoder: Decoder, beams: int, prompt: list[int]
) -> None:
    """Windows end at different steps, and those that are done make room."""
    encodings, whisper = noise(4), whisper_of(untrained)
    found = small.decode(works_of(encodings, prompt, beam_size=beams))
    expected = [openai_decoded(whisper, decoder, encoding, beams, prompt) for encoding in encodings]
    assert [list(each.tokens) for each in found] == [each.tokens for each in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=2e-3)
        assert ours.no_speech_prob == pytest.approx(theirs.no_speech_prob, rel=2e-2, abs=1e-9)
    assert len({len(each.tokens) for each in found}) > 2


def test_a_window_has_the_same_text_in_any_company(small: OpenvinoModel) -> None:
    """Also after batches of other sizes in the same memory."""
    works = works_of(noise(7))
    together = tokens_of(small, works)
    assert [tokens_of(small, [work])[0] for work in works] == together
    assert tokens_of(small, works[2:5]) == together[2:5]
    assert tokens_of(small, works) == together


def tokens_of(model: OpenvinoModel, works: Sequence[Work]) -> list[tuple[int, ...]]:
    return [decoded.tokens for decoded in model.decode(works)]


def test_the_same_window_is_sampled_alike_and_hotter_ones_differ(small: OpenvinoModel) -> None:
    works = [replace(work, temperature=heat) for work in works_of(noise(1)) for heat in (0.4, 1.0)]
    found = [tokens_of(small, [work]) for work in works]
    assert found == [tokens_of(small, [work]) for work in works]
    assert found[0] != found[1]


def test_sampled_tokens_are_spread_as_their_probabilities_are(small: OpenvinoModel, decoder: Decoder) -> None:
    """The first token is a timestamp of the first second."""
    (work,) = works_of(noise(1))
    begin, start, draws = small.vocabulary.timestamp_begin, small.vocabulary.start_of(work), 200
    logits = decoder.texts(cross(decoder, noise(1))).feed([start])[0, 0, begin : begin + 51].astype(np.float64)
    expected = np.exp(logits - logits.max())
    hot = [replace(work, temperature=1.0, window=replace(work.window, index=index)) for index in range(draws)]
    first = [tokens[0] - begin for tokens in tokens_of(small, hot)]
    counts = np.bincount(first, minlength=51) / draws
    assert np.abs(counts - expected / expected.sum()).sum() < 0.5


def test_weights_that_were_quantised_when_they_were_converted_have_their_text(
    base_weights: Path, tmp_path: Path, fox: bytes
) -> None:
    for file in base_weights.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "model.bin").unlink()
    (tmp_path / "model.bin").write_bytes(quantised_file(base_weights / "model.bin"))
    opened = opened_by("openvino", tmp_path)
    assert "quick brown fox" in text_of(opened, work_of(fox)).lower()
    opened.close()


def quantised_file(file: Path) -> bytes:
    """Returns CTranslate2's file with its matrices as `--quantization int8` writes them: rows and their scales."""
    parts = []
    for name, variable in read_variables(file).items():
        if name.endswith("/weight") and variable.ndim == 2:
            scales = (127 / np.abs(variable.astype(np.float32)).max(axis=1)).astype(np.float32)
            parts.append(variable_bytes(name, np.rint(variable * scales[:, None]).astype(np.int8)))
            parts.append(variable_bytes(f"{name}_scale", scales))
        else:
            parts.append(variable_bytes(name, variable))
    head = struct.pack("<I", VERSION) + text_bytes("WhisperSpec") + struct.pack("<II", 3, len(parts))
    return head + b"".join(parts) + struct.pack("<I", 0)


def variable_bytes(name: str, variable: NDArray[Any]) -> bytes:
    shape = struct.pack(f"<B{variable.ndim}I", variable.ndim, *variable.shape)
    kind = struct.pack("<BI", [np.dtype(each) for each in DTYPES].index(variable.dtype), variable.nbytes)
    return text_bytes(name) + shape + kind + variable.tobytes()


def text_bytes(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def test_a_model_that_is_no_whisper_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(model_file())
    (tmp_path / "config.json").write_text('{"alignment_heads": [[1, 0]]}')
    with pytest.raises(EngineError, match=r"model\.bin is missing or damaged"):
        OpenvinoBackend(1).open("clinic", tmp_path)


@pytest.mark.parametrize(
    ("quick", "right", "expected"), [(0.001, True, True), (0.02, True, False), (0.001, False, False)]
)
def test_openvino_is_chosen_where_int8_is_clearly_faster_and_right(
    quick: float, right: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some CPUs, which lack an instruction, get nothing at all."""

    def timed(weights: object, options: dict[str, object], x: Features) -> tuple[float, Features]:
        _, product = real(weights, options, x)
        if "INFERENCE_PRECISION_HINT" in options:
            return 0.01, product
        return quick, product if right else product[:0]

    real = trial._timed
    monkeypatch.setattr(trial, "_timed", timed)
    assert is_suited() is expected


def test_the_backend_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="runs on a CPU only"):
        choose_backend("openvino", "cuda")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"requirements/openvino\.txt"):
        choose_backend("openvino", "cpu")
    assert choose_backend("auto", "cpu").name == "ctranslate2"


def test_importing_openvino_reports_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "openvino_telemetry.py").write_text("raise SystemExit('imported')\n")
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    module = "transcription.engine.openvino_backend.graphs"
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, env=environment, check=True)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".pyc"] == ["openvino_telemetry.py"]
