"""Weights go to the device one by one, and come out as openai-whisper loads them."""

from __future__ import annotations

import base64
import gzip
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import whisper

from benchmarks.untrained import untrained_whisper
from tests.transcription.engine.torch_backend.large_v3 import LARGE_V3, state_dict_of
from transcription.engine.torch_backend.loading import stored_whisper
from transcription.engine.torch_backend.parameters import Linear, of_whisper

pytestmark = pytest.mark.torch

MOST_MEMORY = 1.3
"""Of the fp16 file, on the host, while a model goes to a GPU."""


def test_a_checkpoint_of_openai_whispers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = untrained_whisper()
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, tmp_path / "tiny.pt")
    with pytest.raises(ValueError):
        stored_whisper("tiny", tmp_path / "tiny.pt")  # the heads of another size of model
    monkeypatch.setitem(whisper._ALIGNMENT_HEADS, "tiny", _packed([False, True, True, False]))
    stored = stored_whisper("tiny", tmp_path / "tiny.pt")
    ours, theirs = stored.parameters("cpu"), of_whisper(model)
    assert ours.alignment_heads == ((0, 1), (1, 0))
    assert torch.equal(ours.embedding, theirs.embedding)
    assert _same(ours.decoder[1].cross.kv, theirs.decoder[1].cross.kv)
    assert stored.whisper().alignment_heads.to_dense().tolist() == [[False, True], [True, False]]


def test_a_gpu_costs_the_host_little_more_than_the_file(tmp_path: Path) -> None:
    dims = replace(LARGE_V3, n_audio_layer=2, n_text_layer=2)
    meta = torch.device("meta")
    state = {name: torch.ones(it.shape, dtype=torch.float16) for name, it in state_dict_of(dims, meta).items()}
    torch.save({"dims": asdict(dims), "model_state_dict": state}, tmp_path / "wide.pt")
    command = [sys.executable, "-m", "tests.transcription.engine.torch_backend.loading_peak"]
    found = subprocess.run([*command, str(tmp_path / "wide.pt")], capture_output=True, text=True, check=True)
    assert float(found.stdout) < MOST_MEMORY


def _packed(heads: list[bool]) -> bytes:
    """Returns alignment heads as openai-whisper keeps them."""
    return base64.b85encode(gzip.compress(bytes(heads)))


def _same(ours: Linear, theirs: Linear) -> bool:
    assert ours.bias is not None
    assert theirs.bias is not None
    return torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)
