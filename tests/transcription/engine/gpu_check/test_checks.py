"""The cases run the product's own path: for real on a CPU, and with torch's half on a pretended GPU."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

pytest.importorskip("whisper")

import torch
from whisper.model import Whisper

from benchmarks.untrained import untrained_whisper
from benchmarks.weightless import WeightlessBackend, WeightlessModel
from tests.transcription.engine.conftest import ROOT
from tests.transcription.engine.test_own_models import ensure
from tests.transcription.engine.torch_backend.pretend_cuda import PretendCuda, pretended
from transcription.engine.backend import Decoded, OutOfDeviceMemory, WordTiming, Work
from transcription.engine.gpu_check import checks, clip
from transcription.engine.gpu_check.checks import Case, Check
from transcription.engine.gpu_check.rungs import rung_of
from transcription.engine.probe import decode_all
from transcription.engine.torch_backend import buckets
from transcription.engine.torch_backend.backend import TorchBackend
from transcription.engine.torch_backend.device import WorkStream
from transcription.engine.torch_backend.model import TorchModel
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.vocabulary import vocabulary_of
from transcription.engine.types import DecodeOptions, DoesNotFit, EngineError, Tail
from transcription.engine.whisper_backend.backend import WhisperBackend

pytestmark = pytest.mark.torch

WITH_GRAPHS = ("open", "greedy", "out of memory", "without graphs", "peak memory", "float32")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small models are fastest with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def with_ends(factor: float) -> Whisper:
    """Returns an untrained model whose texts of the clip are the shorter the greater the factor."""
    whisper = untrained_whisper()
    with torch.no_grad():
        whisper.decoder.token_embedding.weight[vocabulary_of(whisper.dims).eot] *= factor
    return whisper


@pytest.fixture(scope="module")
def brief() -> Whisper:
    return with_ends(12)


@pytest.fixture(scope="module")
def own(brief: Whisper, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The brief model as an operator offers it, and the folder of weights that it is in."""
    folder = tmp_path_factory.mktemp("brief")
    torch.save({"dims": asdict(brief.dims), "model_state_dict": brief.state_dict()}, folder / "own.pt")
    entry = f"clinic={folder / 'own.pt'}"
    ensure(entry, folder / "models")
    return entry, folder / "models"


def gpu_check(*more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "transcription.engine", "gpu-check", "--device", "cpu", "--threads", "1"]
    return subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_clip_is_eleven_seconds_of_sixteen_bits() -> None:
    window = clip.window()
    assert window.end == 11.0
    assert window.samples.dtype == np.int16
    assert len(clip.WORD_STARTS) == len(clip.words(clip.TEXT))
    assert clip.SOUND.stat().st_size < 400_000


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (clip.TEXT.upper().replace(",", " —"), 0),
        (clip.TEXT.replace("And so", "So"), 1),
        (clip.TEXT.replace("fellow", "yellow"), 1),
        ("", 22),
    ],
)
def test_words_are_counted_whatever_their_case_and_punctuation(text: str, wrong: int) -> None:
    assert clip.word_error_rate(text) == wrong / 22


def test_ctranslate2_passes_for_real_on_a_cpu_and_says_so_in_json(own: tuple[str, Path]) -> None:
    entry, weights = own
    done = gpu_check(
        "--rung", "ctranslate2", "--format", "json", "--model", entry, "--weights", str(weights), "--batch-size", "1"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    [verdict] = found["verdicts"]
    assert (found["rung"], found["notice"], verdict["ok"]) == ("ctranslate2", "", True)
    names = [case["name"] for case in verdict["cases"]]
    tried = ["greedy", "prompted", "temperature 0.2", "5 beams", "word times", "every slot", "speed"]
    assert names == ["open", "language", *tried, "out of memory", "peak memory", "float32"]
    assert not list(weights.glob("gpu-check-*"))


def test_a_missing_model_is_what_every_rung_lacks(tmp_path: Path) -> None:
    done = gpu_check("--model", f"clinic={tmp_path / 'away'}", "--weights", str(tmp_path))
    assert done.returncode == 1
    assert "graphs: fails" in done.stdout
    assert "which says nothing of a GPU, it runs with the CPU, and a smaller model" in done.stdout
    assert "To do: put there what is missing" in done.stdout


@pytest.mark.slow
def test_base_passes_for_real_on_a_cpu(base_weights: Path) -> None:
    done = gpu_check("--rung", "ctranslate2", "--model", "base", "--weights", str(base_weights.parents[1]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  greedy          0%" in done.stdout


class TestPretendedGpu:
    """torch's rungs, with all that they do on a GPU but its arithmetic."""

    @pytest.fixture
    def cuda(self) -> Iterator[PretendCuda]:
        with pytest.MonkeyPatch.context() as patch, pretended(patch) as cuda:
            patch.setattr(WorkStream, "_unused", defaultdict(list))
            patch.setattr(buckets, "CONTEXT_BUCKETS", ())
            patch.setattr(checks, "KINDS", {kind: checks.KINDS[kind] for kind in ("greedy", checks.BEAM_KIND)})
            yield cuda

    def check(self, own: tuple[str, Path], limit_mib: float = 0) -> Check:
        folder = own[1] / "ctranslate2" / "clinic"
        return Check(TorchBackend("cuda", 0, 0, 1), "clinic", folder, rung_of("graphs"), limit_mib, False)

    def test_graphs_pass_with_the_tokens_of_eager_and_of_float32_and_after_memory_ran_out(
        self, own: tuple[str, Path], cuda: PretendCuda, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allocate = cuda.operation

        def operation(func: Any, args: Any, kwargs: Any) -> Any:
            if cuda.fraction == 0:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return allocate(func, args, kwargs)

        monkeypatch.setattr(cuda, "operation", operation)
        cases = self.check(own)._cases()
        found = {name: cases[name]() for name in WITH_GRAPHS}
        assert all(case.ok for case in found.values()), found
        assert "CUDA out of memory.; the same text afterwards" in found["out of memory"].found
        assert found["without graphs"].found == "0 of 2 texts differ"
        assert cuda.graphs > 0
        assert cuda.faults == []

    def test_more_memory_than_the_cap_is_a_failure(self, own: tuple[str, Path], cuda: PretendCuda) -> None:
        check = self.check(own, limit_mib=400.0)
        peak = check._peak()
        assert (peak.ok, peak.kind, peak.required) == (False, "memory", "at most 400 MiB")


def test_other_tokens_without_graphs_are_a_failure(own: tuple[str, Path], brief: Whisper) -> None:
    """A graph that reads stale memory gives other text; here the model is another one when it is opened again."""

    class Changing(TorchBackend):
        def open(self, name: str, path: Path, beside: Collection[str] = ()) -> TorchModel:
            whisper = brief if self.graphs else with_ends(8)
            return TorchModel(of_whisper(whisper), 1, "keys_values", self.graphs)

    check = Check(Changing("cpu", 1, 0, 1), "clinic", own[1], rung_of("graphs"), 0, False)
    cases = check._cases()
    for name in ("open", "greedy"):
        assert cases[name]().ok
    failed = cases["without graphs"]()
    assert (failed.ok, failed.kind, failed.found) == (False, "text", "2 of 2 texts differ")


def weightless(published: bool, least_speed: float = 0.0) -> Check:
    rung = replace(rung_of("eager"), least_speed=least_speed)
    return Check(WeightlessBackend(), "base", Path("base"), rung, 0, published)


def test_a_speed_below_the_least_is_a_failure() -> None:
    found = {event.name: event for event in weightless(False, least_speed=1e9).run() if isinstance(event, Case)}
    assert [case.name for case in found.values() if not case.ok] == ["speed"]
    assert (found["speed"].kind, found["speed"].required) == ("slow", "at least 1e+09 × real time")


def test_wrong_words_and_another_language_fail_a_published_model() -> None:
    found = {event.name: event for event in weightless(published=True).run() if isinstance(event, Case)}
    wrong = [(case.name, case.kind) for case in found.values() if not case.ok]
    assert wrong == [("language", "text"), ("greedy", "text"), ("every slot", "text"), ("speed", "text")]
    assert found["greedy"].found.startswith("100%: ")


def test_a_prompt_that_misleads_the_model_itself_costs_no_rung() -> None:
    """What the model hears in float32, too, is no fault of the GPU's; what it hears otherwise there is."""

    class Misled(WeightlessModel):
        says_so_in_float32 = True

        def decoded(self, work: Work) -> Decoded:
            return Decoded((1, 2), "Horses" if work.prompt else clip.TEXT, -0.2, 0.0)

        def decode_apart(self, work: Work) -> Decoded:
            return replace(self.decoded(work), text="Horses" if self.says_so_in_float32 else clip.TEXT)

    check, model = weightless(published=True), Misled(4, 1)
    check.model = model
    cases = check._cases()
    assert cases["greedy"]().ok
    assert cases["prompted"]() == Case("", True, ANY, "100%: 'Horses', in float32, too")
    assert cases["speed"]().ok
    model.says_so_in_float32 = False
    assert cases["prompted"]() == Case("", False, ANY, "100%: 'Horses'", "text")


def test_words_out_of_order_or_far_off_are_a_failure() -> None:
    check = weightless(published=True)
    found = [Decoded((1,), clip.TEXT, -0.2, 0.0)]

    def timed(*starts: float) -> Case:
        words = zip(clip.words(clip.TEXT), starts, strict=False)
        return check._timed(found, [[WordTiming(f" {word}", [1], start, start, 1.0) for word, start in words]])

    assert timed(*clip.WORD_STARTS).ok
    assert timed(*(start + 0.5 for start in clip.WORD_STARTS)).found == "0.50 s"
    assert not timed(*reversed(clip.WORD_STARTS)).ok
    assert not timed(*clip.WORD_STARTS[:-1]).ok


class TestOpenaiWhispersDecode:
    def work(self, **changes: Any) -> Work:
        """Returns the clip; changes: of the window, and the prompt."""
        prompt = changes.pop("prompt", ())
        return Work(replace(clip.window(), **changes), DecodeOptions("clinic"), "en", prompt=prompt)

    def test_texts_and_words_are_those_of_torch(self, own: tuple[str, Path]) -> None:
        folder, heard = own[1] / "ctranslate2" / "clinic", []
        for backend in (WhisperBackend("cpu", 0), TorchBackend("cpu", 1, 0, 2)):
            model = backend.open("clinic", folder)
            works = [self.work(prompt=(11, 12, 13))]
            model.encode(works)
            found = decode_all(backend, model, works)
            words = model.align(works, [[token for token in one.tokens if token < 50_257] for one in found])
            times = [[(word.word, word.start, word.end) for word in timing] for timing in words]
            heard.append(([one.tokens for one in found], times, model.detect(works)[0].code))
            assert math.isfinite(found[0].avg_logprob)
        assert heard[0] == heard[1]

    def test_a_short_window_is_heard_in_full_and_a_tail_begins_with_its_timestamp(self, own: tuple[str, Path]) -> None:
        backend = WhisperBackend("cpu", 0)
        model = backend.open("clinic", own[1] / "ctranslate2" / "clinic")
        works = [self.work(encoder_frames=1800), self.work(tail=Tail(300, ()))]
        model.encode(works)
        assert works[0].window.encoder_frames == 3000
        assert model.batch_key(works[0]) != model.batch_key(works[1])
        tail = decode_all(backend, model, works)[1]
        after = model.vocabulary.timestamp_begin + 300
        assert tail.tokens[0] == after
        assert all(token >= after for token in tail.tokens if token >= model.vocabulary.timestamp_begin)


class TestTightMemory:
    """What the engine lives with costs no rung: memory that runs out with every slot, or for beams."""

    def cases(self, model: WeightlessModel) -> dict[str, Case]:
        class Backend(WeightlessBackend):
            def open(self, name: str, path: Path, beside: Collection[str] = ()) -> WeightlessModel:
                return model

        check = Check(Backend(), "clinic", Path("clinic"), rung_of("eager"), 0, False)
        found = {event.name: event for event in check.run() if isinstance(event, Case)}
        assert list(found)[-1] == "float32", found
        return found

    def test_beams_that_do_not_fit_are_told(self) -> None:
        class Tight(WeightlessModel):
            def admit(self, works: Sequence[Work]) -> None:
                if any(work.beams > 1 for work in works):
                    raise DoesNotFit("a search with 5 beams does not fit")
                super().admit(works)

        found = self.cases(Tight(4, 1))
        assert all(case.ok for case in found.values()), found
        assert "a search with 5 beams does not fit" in found["5 beams"].found

    def test_slots_are_halved_where_memory_runs_out(self) -> None:
        class Tight(WeightlessModel):
            def step(self) -> None:
                if len(self.under_way) > 2:
                    raise OutOfDeviceMemory("no memory left")
                super().step()

        found = self.cases(Tight(4, 1))
        assert all(case.ok for case in found.values()), found
        assert "with 2 windows" in found["speed"].found
        assert "memory ran out 1 times" in found["peak memory"].found

    def test_a_model_without_memory_is_short_of_it_and_one_that_is_damaged_is_missing(self) -> None:
        for error, kind in ((DoesNotFit("too large"), "memory"), (EngineError("damaged"), "missing")):

            class Backend(WeightlessBackend):
                def open(
                    self, name: str, path: Path, beside: Collection[str] = (), error: Exception = error
                ) -> WeightlessModel:
                    raise error

            *_, last = Check(Backend(), "base", Path("base"), rung_of("eager"), 0, True).run()
            assert isinstance(last, Case)
            assert (last.name, last.ok, last.kind, last.found) == ("open", False, kind, str(error))
