"""When a machine's GPU is tried, what a verdict depends on, and what is an error."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pynvml
import pytest

from benchmarks.weightless import Caller, WeightlessBackend, WeightlessModel
from tests.transcription.engine.gpu_check.conftest import Machine
from transcription.engine.backend import DeviceLost, Work
from transcription.engine.backend_selection import choose_backend, weights_for
from transcription.engine.cli import _parser
from transcription.engine.gpu_check import card, choice
from transcription.engine.gpu_check.choice import Footing, footing_of
from transcription.engine.gpu_check.rungs import Rung, rung_of
from transcription.engine.gpu_check.trial import Verdict
from transcription.engine.models import Models
from transcription.engine.offered import Offered
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler
from transcription.engine.types import EngineError
from transcription.engine.version import version_of

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Engine:
    """Starts engines, as far as they choose their rung; `tried` has the child processes' command lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, model: Offered, weights: Path) -> None:
        self.model, self.weights = model, weights
        self.others: list[Offered] = []
        self.tried: list[Sequence[str]] = []
        self.fails: set[str] = set()
        monkeypatch.setattr(choice, "try_rung", self._child)

    def options(self, *more: str) -> argparse.Namespace:
        serve = ["serve", "--socket", "/s", "--models", str(self.model), "--weights", str(self.weights)]
        return _parser().parse_args([*serve, *more])

    def start(self, *more: str) -> Footing:
        return footing_of(self.options(*more), [self.model, *self.others])

    def _child(self, rung: Rung, command: Sequence[str]) -> Verdict:
        self.tried.append(command)
        fails = rung.name in self.fails or any(f"{rung.name} {name}" in self.fails for name in command)
        return Verdict(rung.name, not fails, "no" if fails else "", "broken" if fails else "")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, machine: Machine, clinic: tuple[Offered, Path], tmp_path: Path) -> Engine:
    """An engine beside whose weights nothing is kept yet, on a machine whose GPU torch sees."""
    model, weights = clinic
    folder = tmp_path / "models"
    (folder / "ctranslate2").mkdir(parents=True)
    (folder / "ctranslate2" / "clinic").symlink_to(weights / "ctranslate2" / "clinic")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return Engine(monkeypatch, model, folder)


def test_the_first_start_tries_the_gpu_with_the_engines_own_settings_and_the_second_does_not(engine: Engine) -> None:
    more = ("--memory-limit-mib", "9783", "--cross-attention", "absorbed", "--batch-size", "20")
    for _start in range(2):
        assert engine.start(*more).rung == rung_of("graphs")
    [command] = engine.tried
    assert command[2:6] == ["faulthandler", "-m", "transcription.engine", "gpu-check"]
    told = dict(zip(command[6::2], command[7::2], strict=True))
    expected = {"--try": "graphs", "--model": str(engine.model), "--device": "cuda", "--weights": str(engine.weights)}
    expected |= {"--memory-limit-mib": "9783", "--cross-attention": "absorbed", "--batch-size": "20"}
    assert expected.items() <= told.items()


Change = Callable[[Machine, Engine, pytest.MonkeyPatch], object]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda machine, engine, patch: setattr(machine, "driver", "595.10"), id="driver"),
        pytest.param(lambda machine, engine, patch: setattr(machine, "uuid", "GPU-5678"), id="card"),
        pytest.param(lambda machine, engine, patch: patch.setattr(choice, "version", lambda name: "9.0"), id="torch"),
        pytest.param(lambda machine, engine, patch: patch.setattr(choice, "_own_version", lambda: "new"), id="engine"),
        pytest.param(
            lambda machine, engine, patch: os.utime(engine.weights / "ctranslate2/clinic/model.bin"), id="weights"
        ),
    ],
)
def test_it_is_tried_again_when_what_it_depends_on_changes(
    engine: Engine, machine: Machine, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    engine.start()
    change(machine, engine, monkeypatch)
    for _start in range(2):
        engine.start()
    assert len(engine.tried) == 2


def test_other_settings_are_tried_too(engine: Engine) -> None:
    engine.start()
    engine.start("--memory-limit-mib", "9783")
    assert len(engine.tried) == 2


def test_a_rung_must_do_for_each_model_that_is_there(engine: Engine) -> None:
    second = Offered(f"second={engine.weights / 'ctranslate2' / 'clinic'}".partition("=")[0], str(engine.model.source))
    engine.others = [second, Offered("absent", "/nowhere")]
    engine.fails = {f"graphs {second}"}
    found = engine.start()
    assert found.rung == rung_of("eager")
    assert "graphs: second: no" in found.notice
    assert [command[command.index("--model") + 1] for command in engine.tried] == [str(engine.model), str(second)] * 2


def test_a_pinned_rung_is_not_tried(engine: Engine) -> None:
    assert engine.start("--rung", "math") == Footing(rung_of("math"))
    assert engine.tried == []


def test_the_cpu_with_smaller_models_is_never_quiet_even_if_pinned(engine: Engine) -> None:
    assert "smaller ones on the CPU" in engine.start("--rung", "cpu").notice


def test_with_the_backend_torch_only_its_rungs_are_tried(engine: Engine) -> None:
    engine.fails = {"graphs", "eager", "math"}
    with pytest.raises(EngineError, match="nothing runs on the GPU: graphs, eager, math: clinic: no"):
        engine.start("--backend", "torch")


@pytest.mark.parametrize("more", [("--device", "cpu"), ("--backend", "remote"), ("--backend", "ctranslate2")])
def test_where_no_gpu_is_to_be_chosen_for_none_is_tried(engine: Engine, more: Sequence[str]) -> None:
    assert engine.start(*more) == Footing()
    assert engine.tried == []


def test_without_a_gpu_there_is_nothing_to_choose(
    engine: Engine, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.gpus = 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert engine.start() == Footing()


class TestDriver:
    @pytest.fixture(autouse=True)
    def old(self, machine: Machine, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
        """A driver for CUDA 12.2, with a torch that was built for CUDA 13."""
        machine.driver, machine.cuda = "535.104.05", 12_020
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.version, "cuda", "13.0")

    @pytest.mark.parametrize("device", ["auto", "cuda"])
    def test_one_that_is_too_old_for_torch_is_an_error_that_names_the_one_needed(
        self, engine: Engine, device: str
    ) -> None:
        with pytest.raises(EngineError, match=r"535\.104\.05 .* too old .* CUDA 13: install NVIDIA's driver 580 or"):
            engine.start("--device", device)

    def test_what_needs_no_torch_is_not_stopped_by_it(self, engine: Engine) -> None:
        assert engine.start("--rung", "ctranslate2") == Footing(rung_of("ctranslate2"))

    def test_a_hidden_gpu_is_none(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert engine.start() == Footing()

    def test_a_torch_without_cuda_is_what_its_rungs_lack(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.version, "cuda", None)
        footing = engine.start()
        assert footing.rung == rung_of("ctranslate2")
        assert "does not see the GPU: install requirements/torch.txt" in footing.notice

    @pytest.mark.parametrize(
        ("fault", "todo"),
        [
            (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "Restart the machine"),
            (pynvml.NVML_ERROR_GPU_IS_LOST, "Restart the machine"),
            (pynvml.NVML_ERROR_RESET_REQUIRED, "reset the GPU"),
            (pynvml.NVML_ERROR_NO_PERMISSION, "the group video"),
        ],
    )
    def test_a_gpu_that_it_cannot_use_is_an_error_and_no_machine_without_one(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, fault: int, todo: str
    ) -> None:
        def refuse() -> None:
            raise pynvml.NVMLError(fault)

        monkeypatch.setattr(pynvml, "nvmlInit", refuse)
        with pytest.raises(EngineError, match=f"there is a GPU, but .* {todo}"):
            engine.start()


def test_a_card_that_torch_is_not_made_for_runs_with_what_is(
    engine: Engine, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_90", "sm_120"])
    for capability, rung in {(7, 0): "ctranslate2", (8, 9): "graphs", (9, 0): "graphs", (12, 1): "graphs"}.items():
        machine.uuid, machine.capability = f"GPU-{capability}", capability
        footing = engine.start()
        assert footing.rung == rung_of(rung), capability
        assert ("is not made for a NVIDIA H100 PCIe" in footing.notice) == (rung == "ctranslate2")


def test_torch_is_not_asked_for_a_gpu_before_cuda_is_ready(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """NVSwitch's Fabric Manager comes after the engine; torch would go on to say what it said first."""
    statuses, asked = [802, 802, 0], list[int]()

    def sees() -> bool:
        asked.append(statuses[0])
        return True

    monkeypatch.setattr(card, "cuda_status", lambda: statuses[0])
    monkeypatch.setattr("time.sleep", lambda seconds: statuses.pop(0))
    monkeypatch.setattr(torch.cuda, "is_available", sees)
    assert engine.start().rung == rung_of("graphs")
    assert asked == [0]


@pytest.mark.parametrize(("exits", "rung"), [((-11, -6), "eager"), ((-9, -9), "graphs"), ((70, 1), "graphs")])
def test_two_crashes_in_libraries_drop_a_rung_and_other_ends_do_not(
    engine: Engine, exits: tuple[int, int], rung: str
) -> None:
    for last_exit in exits:
        footing = engine.start("--last-exit", str(last_exit))
    assert footing.rung == rung_of(rung)
    assert ("the engine was ended by SIGABRT" in footing.notice) == (rung == "eager")


def test_the_check_of_all_models_is_the_one_that_the_engine_would_make(engine: Engine) -> None:
    engine.others = [Offered("second", str(engine.model.source))]
    models = ",".join(map(str, [engine.model, *engine.others]))
    options = _parser().parse_args(["gpu-check", "--models", models, "--weights", str(engine.weights)])
    ladder = choice.ladder_for(options, options.models)
    assert ladder
    ladder.choose()
    before = len(engine.tried)
    engine.start()
    assert len(engine.tried) == before == 2


def test_a_lost_device_is_noted_before_the_engine_ends(engine: Engine) -> None:
    """The scheduler's part: two engines lose the device, and the third runs on the next rung."""

    class Lost(WeightlessModel):
        """Loses the device at a window after its probe."""

        def step(self) -> None:
            if any(work.window.samples[0] == 7 for work in self.under_way):
                raise DeviceLost("an illegal address")
            super().step()

    class Backend(WeightlessBackend):
        def open(self, name: str, path: Path, beside: Collection[str] = ()) -> WeightlessModel:
            return Lost(self.slots, self.steps)

    def run_until_lost(footing: Footing) -> None:
        queue, backend, ended = RequestQueue(), Backend(), threading.Event()
        models = Models(backend, queue)
        models.weights["base"] = Path("base")
        scheduler = Scheduler(backend, models, queue, 4, lambda reason: ended.set(), footing.on_lost)
        scheduler.start({})
        queue.submit(Caller().request(7))
        assert ended.wait(10)
        scheduler.stop(5)

    for _engine in range(2):
        footing = engine.start()
        assert footing.rung == rung_of("graphs")
        run_until_lost(footing)
    footing = engine.start()
    assert footing.rung == rung_of("eager")
    assert "lost twice within 20 minutes: an illegal address" in footing.notice


def test_a_device_that_is_lost_by_the_first_window_of_a_model_is_told_as_lost(tmp_path: Path) -> None:
    """After an illegal address every call of the device fails, those that clean up, too."""

    class Lost(WeightlessModel):
        def step(self) -> None:
            raise DeviceLost("an illegal address")

        def evict(self, work: Work) -> None:
            raise RuntimeError("CUDA error")

        def close(self) -> None:
            raise RuntimeError("CUDA error")

    class Backend(WeightlessBackend):
        def open(self, name: str, path: Path, beside: Collection[str] = ()) -> WeightlessModel:
            return Lost(self.slots, self.steps)

    models = Models(Backend(), RequestQueue())
    models.weights["base"] = tmp_path
    with pytest.raises(DeviceLost, match="an illegal address"):
        models.acquire("base")


def test_on_the_cpu_a_smaller_model_stands_in_for_a_large_one_and_results_name_it(
    clinic: tuple[Offered, Path], tmp_path: Path
) -> None:
    model, weights = clinic
    for name in ("small", "base", "clinic"):
        (tmp_path / "ctranslate2").mkdir(exist_ok=True)
        (tmp_path / "ctranslate2" / name).symlink_to(weights / "ctranslate2" / "clinic")
    backend = choose_backend("ctranslate2", "cpu")
    models = [Offered("large-v3"), Offered("base"), model]

    def served(name: str) -> str:
        return version_of(name, weights_for(backend, tmp_path, (), models, True, name), backend).split()[0]

    assert [served(one.name) for one in models] == ["small", "base", "clinic"]
