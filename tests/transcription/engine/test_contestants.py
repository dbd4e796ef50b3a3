"""The benchmark against others: its pipes, whisper.cpp's file, who is left out, and its tables. Nothing is measured."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import wer
from benchmarks.contestants import entries, ggml
from benchmarks.contestants.process import ContestantError, Heard, started
from benchmarks.contestants.serve import said
from benchmarks.speech import Sound
from benchmarks.speed import Result, Task, left_out, report


class GgmlFile:
    """Reads as whisper.cpp does."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)
        magic, *self.dimensions, self.kind = self.numbers(12)
        assert magic == 0x67676D6C
        mels, frequencies = self.numbers(2)
        self.filters = np.frombuffer(self.stream.read(4 * mels * frequencies), "<f4").reshape(mels, frequencies)
        self.tokens = [self.stream.read(self.numbers(1)[0]) for _ in range(self.numbers(1)[0])]
        self.variables: dict[str, NDArray[np.float32]] = {}
        while self.stream.tell() < len(data):
            self.read_variable()

    def numbers(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}i", self.stream.read(4 * count))

    def read_variable(self) -> None:
        rank, length, kind = self.numbers(3)
        shape = self.numbers(rank)[::-1]
        name = self.stream.read(length).decode()
        count = int(np.prod(shape))
        if kind == 8:
            blocks = np.frombuffer(self.stream.read(count // 32 * 34), [("scale", "<f2"), ("numbers", "i1", 32)])
            values = blocks["scale"][:, None].astype(np.float32) * blocks["numbers"]
        else:
            size, code = {0: (4, "<f4"), 1: (2, "<f2")}[kind]
            values = np.frombuffer(self.stream.read(count * size), code).astype(np.float32)
        self.variables[name] = values.reshape(shape)


def test_whisper_cpps_file_holds_what_was_written_with_matrices_in_eight_bits(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    weights = {
        "encoder.conv1.weight": chance.normal(size=(64, 4, 3)),
        "encoder.conv1.bias": chance.normal(size=64),
        "encoder.positional_embedding": chance.normal(size=(10, 64)),
        "decoder.blocks.0.mlp.0.weight": np.vstack([chance.normal(size=(3, 64)), np.zeros((1, 64))]),
        "decoder.ln.bias": chance.normal(size=64),
    }
    filters = chance.random((4, 201)).astype(np.float32)
    ggml.write(tmp_path / "model.bin", range(1, 11), filters, [b"a", "é".encode(), b"\x00"], weights)
    read = GgmlFile((tmp_path / "model.bin").read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]
    assert (read.dimensions, read.kind) == (list(range(1, 11)), 2007)
    assert read.tokens == [b"a", "é".encode(), b"\x00"]
    np.testing.assert_array_equal(read.filters, filters)
    assert read.variables.keys() == weights.keys()
    assert read.variables["encoder.conv1.bias"].shape == (64, 1)
    for name, weight in weights.items():
        step = np.abs(weight).max() / 127 if name.endswith("mlp.0.weight") else 0.002
        np.testing.assert_allclose(read.variables[name].reshape(weight.shape), weight, atol=step)


def test_a_contestant_answers_through_its_pipes_with_timed_text_and_its_own_seconds(
    base_weights: Path, fox: bytes, tmp_path: Path
) -> None:
    sound = tmp_path / "fox.pcm"
    sound.write_bytes(fox)
    entry = entries.Entry("ours, fast", "ours-fast", base_weights, Path(sys.executable))
    with started(entry, "base", 1, tmp_path) as contestant:
        heard = contestant.hear([sound, sound])
        peak = contestant.peak_mib()
    assert contestant.version.split()[0] in ("openvino", "ctranslate2")
    assert ["fox jumps over the lazy dog" in text for text in heard.texts] == [True, True]
    assert 2 < heard.recordings[0][-1]["end"] < 6
    assert heard.seconds > 0
    # The engine is a process of its own, whose weights alone are larger than this.
    assert peak > 100
    assert heard.processor_seconds > 0.1


def test_one_that_ends_says_why_with_the_last_lines_of_its_errors(tmp_path: Path) -> None:
    entry = entries.Entry("a stranger", "strange-system", tmp_path, Path(sys.executable))
    with (
        pytest.raises(ContestantError, match=r"a stranger ended with code 1: .*KeyError: 'strange-system'"),
        started(entry, "base", 1, tmp_path),
    ):
        pass


def test_those_that_are_not_installed_are_named_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "FOLDER", tmp_path)
    others = [entry for entry in entries.entries("base") if not entry.is_ours]
    assert len(others) == 5
    for entry in others:
        line = left_out(entry, entry.missing())
        assert line.startswith(f"Left out: {entry.title} (not installed); make contestants")


def test_the_tables_have_medians_spreads_errors_lost_speech_and_the_best_other(
    fox: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    words = Sound((fox + bytes(320_000))[:320_000], "rain falls on the [grey] roof")
    work = [Task(title, [words], []) for title in ("240 s", "8 × 33 s at once", "5.1 s", "8 clips at once")]

    def result(text: str, start: float, *seconds: float) -> Result:
        recordings = [[said(start, start + 5.0, text)]]
        return Result([Heard(each, 2 * each, recordings) for each in seconds], 512.4)

    mine, other = (
        result(" Rain falls, on the grey roof.", 0.0, 2.0, 1.0, 4.0),
        result(" Rain falls", 8.0, 6.0, 5.0, 3.0),
    )
    report(work, {task.title: {"ours, fast": mine, "another": other} for task in work}, {"ours, fast"})
    printed = capsys.readouterr().out
    assert "| ours, fast | 2.00 s | 0.0% | 0.0% | 2.00 s | 0.0% | 2.00 s | 2.00 s | 512 |" in printed
    assert "| ours, fast | 2.00 s (1.00–4.00) | 5.0 | 2.50 | 4.00 s (2.00–8.00) | 0.0% | 0.0% |" in printed
    assert "| another | 5.00 s (3.00–6.00) | 2.0 | 1.00 | 10.00 s (6.00–12.00) | 66.7% | 100.0% |" in printed


def test_what_is_in_brackets_in_a_reference_was_said() -> None:
    assert wer.errors("the printer [of Mainz]", "the printer of Mainz") == wer.Errors(0, 4)
