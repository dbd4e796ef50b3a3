"""The benchmark for GPUs runs on a CPU, too, so that its code is known to work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from whisper.model import Whisper

from benchmarks import gpu, gpu_product, gpu_roofline
from benchmarks.gpu_contestants import crosses
from benchmarks.gpu_model import LARGE_V3, TINY, random_whisper
from benchmarks.gpu_transformers import renamed
from benchmarks.untrained import untrained_whisper
from transcription.engine.torch_backend.vocabulary import vocabulary_of


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Limits torch to one thread: threads that wait for each other are slow while other processes use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_goals", lambda options: [])


def of_few_words() -> Whisper:
    """Returns an untrained model whose texts end soon, so that the goals are measured in seconds."""
    whisper = untrained_whisper()
    with torch.no_grad():
        whisper.decoder.token_embedding.weight[vocabulary_of(whisper.dims).eot] *= 12
    return whisper


@pytest.mark.usefixtures("no_goals")
def test_all_contestants_decode_what_is_asked_and_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.json"
    arguments = ["--tiny", "--quick", "--tokens", "6", "--repeats", "1", "--slots", "1,3", "--batches", "2"]
    assert gpu.main([*arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "given up" not in printed
    assert "not measured" not in printed
    report = json.loads(out.read_text())
    ours = [row for row in report["rows"] if row["name"].startswith("ours")]
    assert len(ours) == 2 * len(crosses())
    assert all(row["tokens"] == 6 * row["windows"] and row["label"] == "synthetic" for row in report["rows"])
    assert all(check["same"] == check["windows"] for check in report["checks"])


@pytest.mark.slow
def test_each_goal_has_its_figure_and_rung(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("transcription.engine.torch_backend.backend.CPU_SLOTS", 3)
    monkeypatch.setattr(gpu_product, "untrained_whisper", of_few_words)
    assert gpu.main(["--tiny", "--quick", "--goals"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | torch on the CPU |" in line]
    assert len(rows) == 5
    assert all(float(row[2].replace(",", "")) > 0 for row in rows)


@pytest.mark.usefixtures("no_goals")
def test_a_contestant_that_fails_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("CUDA error: out of luck\nwith a second line")

    monkeypatch.setattr("benchmarks.gpu_contestants.openai", broken)
    monkeypatch.setattr(gpu, "checks", lambda device: iter(()))
    gpu.main(["--tiny", "--quick", "--tokens", "2", "--repeats", "1", "--slots", "1", "--batches", "1"])
    printed = capsys.readouterr().out
    assert "openai-whisper, one at a time: not measured: RuntimeError: CUDA error: out of luck\n" in printed
    assert "| ours, 1 slot" in printed


def test_the_roofline_is_the_one_of_the_design() -> None:
    assert gpu_roofline.encoder_flops(LARGE_V3) == pytest.approx(2.59e12, rel=0.005)
    assert gpu_roofline.weight_bytes(LARGE_V3, 2) == pytest.approx(1.60e9, rel=0.005)
    assert gpu_roofline.cross_bytes(LARGE_V3, 2) == pytest.approx(245.8e6, rel=0.005)


def test_transformers_names_of_the_weights_are_known() -> None:
    names = {renamed(name) for name in random_whisper(TINY, "cpu").state_dict()}
    assert {
        "encoder.conv1.weight",
        "encoder.embed_positions.weight",
        "encoder.layer_norm.bias",
        "encoder.layers.1.self_attn.k_proj.weight",
        "encoder.layers.1.self_attn_layer_norm.weight",
        "decoder.embed_tokens.weight",
        "decoder.embed_positions.weight",
        "decoder.layer_norm.weight",
        "decoder.layers.0.encoder_attn.q_proj.bias",
        "decoder.layers.0.encoder_attn_layer_norm.bias",
        "decoder.layers.0.encoder_attn.out_proj.weight",
        "decoder.layers.0.final_layer_norm.weight",
        "decoder.layers.0.fc1.weight",
        "decoder.layers.0.fc2.bias",
    } <= names
    assert not {name for name in names if "attn." in name and "_attn." not in name}
