"""Memory that runs out at any allocation costs nobody else a window, and slots come back."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.untrained import untrained_whisper
from benchmarks.weightless import Caller, WeightlessBackend
from tests.transcription.engine.fake_backend import text_of
from transcription.engine.backend import Decoded, OutOfDeviceMemory, Work
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler
from transcription.engine.torch_backend import model as torch_model
from transcription.engine.torch_backend.errors import translated_errors
from transcription.engine.torch_backend.model import TorchModel
from transcription.engine.torch_backend.parameters import Parameters, of_whisper
from transcription.engine.types import DecodeOptions, EngineError, Window, WindowFailed, WindowResult

pytestmark = pytest.mark.torch

NEVER = 1 << 30


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return of_whisper(untrained_whisper())


class Shortage(TorchDispatchMode):
    """Raises OutOfMemoryError at the allocation with a number, and counts them."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at
        self.count: int = 0

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if any(value.alias_info is None for value in func._schema.returns):
            if self.count == self.left:
                self.left = -1
                raise torch.OutOfMemoryError("CUDA out of memory.")
            self.count += 1
        return func(*args, **(kwargs or {}))


def allocations(call: Callable[[], object]) -> int:
    shortage = Shortage(NEVER)
    with shortage:
        call()
    return shortage.count


def short_work(number: int, beams: int = 1, prompt: tuple[int, ...] = ()) -> Work:
    """Returns a window of a second, whose text has at most seventeen tokens."""
    sound = np.random.default_rng(number).normal(0, 1000, 16_000).astype(np.int16)
    window = Window(number, 0.0, 1.0, sound, encoder_frames=700)
    return Work(window, DecodeOptions("base", beam_size=beams), language="en", prompt=prompt)


def run_out(model: TorchModel) -> dict[Work, Decoded | Exception]:
    """Steps until nothing is under way."""
    found: dict[Work, Decoded | Exception] = {}
    while any(running.works for running in model._running.values()) or model._failed:
        model.step()
        found |= dict(model.finished())
    return found


def text(model: TorchModel, work: Work) -> tuple[int, ...]:
    """Returns what a window's text is alone."""
    model.admit([work])
    return tokens(run_out(model)[work])


def tokens(outcome: Decoded | Exception) -> tuple[int, ...]:
    assert isinstance(outcome, Decoded), outcome
    return outcome.tokens


def test_an_admission(parameters: Parameters) -> None:
    model = TorchModel(parameters, 4, "keys_values")
    first, entering = short_work(1), [short_work(2), short_work(3, prompt=(11, 12))]
    model.encode([first, *entering])
    alone = {work: text(model, work) for work in (first, *entering)}
    model.admit([first])
    model.step()
    fits = replace(entering[0])
    count = allocations(lambda: model.admit([replace(work) for work in entering]))
    for running in list(model._running[1].works.values()):
        if running is not first:
            model.evict(running)
    for at in range(count):
        with Shortage(at), pytest.raises(OutOfDeviceMemory):
            model.admit(entering)
        assert model._slots.free == 3
    model.admit([fits, *entering])
    found = run_out(model)
    assert {work: tokens(found[work]) for work in (first, *entering)} == alone
    assert tokens(found[fits]) == alone[entering[0]]
    assert model._slots.free == 4


def test_a_step_whose_windows_are_taken_back_and_admitted_again(parameters: Parameters) -> None:
    model = TorchModel(parameters, 2, "absorbed")
    works = [short_work(1), short_work(2)]
    works[1].temperature = 0.4
    model.encode(works)
    alone = {work: text(model, work) for work in works}
    model.admit(works)
    for at in range(allocations(model.step)):
        with Shortage(at), pytest.raises(OutOfDeviceMemory):
            model.step()
        for work in works:
            model.evict(work)
        assert model._slots.free == 2
        model.admit(works)
        model.step()
    assert {work: tokens(outcome) for work, outcome in run_out(model).items()} == alone


def test_a_beam_search_fails_alone(parameters: Parameters) -> None:
    model = TorchModel(parameters, 2, "keys_values")
    greedy, searched = short_work(1), short_work(2, beams=2)
    model.encode([greedy, searched])
    alone = text(model, greedy)
    opening = allocations(lambda: model.admit([searched]))
    stepping = allocations(model.step)
    model.evict(searched)
    for at in range(opening):
        model._drop_idle_beams()
        with Shortage(at), pytest.raises(EngineError, match="2 beams does not fit"):
            model.admit([searched])
    model.admit([greedy])
    decoder = None
    for at in range(stepping):
        model.admit([searched])
        decoder = model._running[2].decoder
        step = decoder.step

        def short(step: Callable[[], None] = step, at: int = at) -> None:
            with Shortage(at):
                step()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decoder, "step", short)
            patch.setattr(model._slots, "step", lambda: None)
            model.step()
        ((work, outcome),) = model.finished()
        assert work is searched
        assert isinstance(outcome, EngineError)
    assert tokens(run_out(model)[greedy]) == alone
    assert (model._slots.limit, model._slots.free) == (2, 2)
    assert decoder is not None
    assert decoder.free == 2


def test_encoding_detection_and_word_times(parameters: Parameters) -> None:
    model, work = TorchModel(parameters, 1, "keys_values"), short_work(1)

    def hear() -> object:
        work.encoding = None
        model.encode([work])
        return model.detect([work])[0].code, model.align([work], [[11, 12, 13]])

    expected = hear()
    for at in range(0, allocations(hear), 3):
        with Shortage(at), pytest.raises(OutOfDeviceMemory):
            hear()
        assert model.room([work])
    assert hear() == expected


def test_a_load() -> None:
    whisper, work = untrained_whisper(), short_work(1)

    def load() -> TorchModel:
        with translated_errors():
            return TorchModel(of_whisper(whisper, dtype=torch.float16), 2, "keys_values")

    for at in range(0, allocations(load), 5):
        with Shortage(at), pytest.raises(OutOfDeviceMemory):
            load()
    model = load()
    model.encode([work])
    assert text(model, work)


class OneAtATime(WeightlessBackend):
    """Opens models with eight slots, while no other one is open."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.parameters = parameters
        self.models: dict[str, TorchModel] = {}

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> TorchModel:  # type: ignore[override]
        if any(hasattr(model, "_slots") for model in self.models.values()):
            raise OutOfDeviceMemory(f"no room for {name}")
        self.models[name] = TorchModel(self.parameters, 8, "keys_values")
        return self.models[name]


@pytest.fixture
def scheduler(parameters: Parameters) -> Iterator[Scheduler]:
    """Returns one of models that are never in memory together; base is."""
    queue, backend = RequestQueue(), OneAtATime(parameters)
    models = Models(backend, queue)
    models.weights = {name: Path(name) for name in ("base", "small")}
    scheduler = Scheduler(backend, models, queue, 4, pytest.fail)
    models.load("base")
    scheduler.start({})
    yield scheduler
    scheduler.stop(5)


def answers(scheduler: Scheduler, caller: Caller, count: int) -> Collection[WindowResult | EngineError]:
    """Waits for so many answers as long as calls of models end, however slow these are."""
    while True:
        done = scheduler.queue.calls_done
        try:
            return caller.wait_for(count).values()
        except TimeoutError:
            if scheduler.queue.calls_done == done:
                raise


def test_a_search_that_never_fits_leaves_the_others_all_their_slots(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch_model, "BeamDecoder", too_large)
    alice, bob = Caller(), Caller()
    for word in range(2):
        for caller in (alice, bob):
            request = caller.request(word)
            request.work.window = replace(short_work(word).window, encoder_frames=3000)
            if caller is bob:
                request.work.options = replace(request.work.options, beam_size=5)
            else:
                request.work.options = replace(request.work.options, temperature=0.4)
                request.work.temperature = 0.4
            scheduler.queue.submit(request)
    assert all(text_of(answer) for answer in answers(scheduler, alice, 2))
    failures = answers(scheduler, bob, 2)
    assert all(isinstance(answer, WindowFailed) and "ask for fewer beams" in str(answer) for answer in failures)
    assert scheduler.models.slots == 8


def test_a_window_is_heard_again_in_full_before_its_model_makes_room(scheduler: Scheduler) -> None:
    models = scheduler.models
    with models.using("base") as base:
        admit = cast("TorchModel", base).admit

    def admit_late(works: Sequence[Work]) -> None:
        with models._changed:
            assert models._changed.wait_for(lambda: models._retiring or not works[0].window.is_short, 60)
        admit(works)

    base.admit = admit_late  # type: ignore[union-attr,method-assign]
    doubted, other = Caller(), Caller(model="small")
    for caller in (doubted, other):
        request = caller.request(1)
        request.work.window = short_work(1).window
        request.work.options = replace(request.work.options, temperature=0.4)
        request.work.temperature = 0.4
        scheduler.queue.submit(request)
    for caller in (doubted, other):
        (answer,) = answers(scheduler, caller, 1)
        assert text_of(answer)
    assert models.loaded == ("small",)


def test_a_window_that_is_no_number_in_half_precision_is_decoded_in_float32(parameters: Parameters) -> None:
    whole = TorchModel(parameters, 2, "keys_values")
    half = TorchModel(of_whisper(untrained_whisper(), dtype=torch.float16), 2, "keys_values")
    for beams in (1, 2):
        broken, healthy = short_work(1, beams), short_work(2)
        whole.encode([broken, healthy])
        expected = text(whole, broken)
        for work in (broken, healthy):
            work.encoding = None
        half.encode([broken, healthy])
        undisturbed = text(half, healthy)
        assert isinstance(broken.encoding, Tensor)
        broken.encoding = torch.full_like(broken.encoding, torch.nan)
        half.admit([healthy, broken])
        found = run_out(half)
        assert isinstance(found[broken], ArithmeticError)
        assert tokens(found[healthy]) == undisturbed
        assert half.decode_apart(broken).tokens == expected
        assert isinstance(broken.encoding, Tensor)
        assert broken.encoding.isfinite().all()
        assert half._slots.free == 2
    with pytest.raises(ArithmeticError):
        whole.decode_apart(short_work(1))


def test_a_closed_model_leaves_no_memory_to_anybody(parameters: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is alive when a GPU's cached memory is given back stays taken, and the model can't be opened again."""
    model = TorchModel(of_whisper(untrained_whisper()), 2, "keys_values")
    works = [short_work(1), short_work(2, beams=3)]
    model.encode(works)
    model.admit(works)
    kept: list[weakref.ref[Any]] = [weakref.ref(running.decoder) for running in model._running.values()]
    kept.append(weakref.ref(model._parameters.embedding))
    alive: list[object] = []
    collect = gc.collect

    def look() -> int:
        found = collect()
        alive.extend(one() for one in kept if one() is not None)
        return found

    monkeypatch.setattr(gc, "collect", look)
    model.close()
    assert len(kept) == 3
    assert alive == []
    assert not model.is_open
