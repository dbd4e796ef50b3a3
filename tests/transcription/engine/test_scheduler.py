"""The scheduler: the order of windows, the isolation of failures, and models that share memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.transcription.engine.fake_backend import (
    HUGE,
    NOT_A_HALF,
    NOT_A_NUMBER,
    POISON,
    UNENCODABLE,
    UNSURE,
    Caller,
    FakeBackend,
    FakeModel,
    text_of,
)
from tests.waiting import until
from transcription.engine.batch_loop import MIN_BATCH, QUICK_SECONDS
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler
from transcription.engine.types import EngineError, WindowFailed, WindowRejected

Run = Callable[..., Scheduler]
NAMES = ("base", "small", "tiny")


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts schedulers on a fake backend, and stops them afterwards."""
    running: list[Scheduler] = []

    def start(
        backend: FakeBackend, limit_mib: float = 0.0, batch_size: int = 8, unload_seconds: float = 0.0, kept: str = ""
    ) -> Scheduler:
        queue = RequestQueue()
        models = Models(backend, queue, limit_mib, unload_seconds, kept)
        models.weights = {name: Path(name) for name in NAMES}
        scheduler = Scheduler(backend, models, queue, batch_size, pytest.fail)
        scheduler.start({"base": "base 1"})
        running.append(scheduler)
        return scheduler

    yield start
    for scheduler in running:
        scheduler.stop(5)


def base(backend: FakeBackend, scheduler: Scheduler) -> FakeModel:
    """Opens base and returns the fake model."""
    warm = Caller()
    scheduler.queue.submit(warm.request(1))
    warm.wait_for(1)
    return backend.models["base"]


@pytest.mark.parametrize(("workers", "encoders"), [(0, 1), (2, 1), (2, 3)])
def test_every_window_gets_its_own_answer(run: Run, workers: int, encoders: int) -> None:
    backend = FakeBackend(workers=workers, encoders=encoders)
    scheduler, callers = run(backend), [Caller(), Caller(language=None), Caller("bulk")]
    for number, caller in enumerate(callers):
        for word in range(100 * number + 20, 100 * number + 60):
            scheduler.queue.submit(caller.request(word))
    for caller in callers:
        assert {word: text_of(answer) for word, answer in caller.wait_for(40).items()} == {
            word: f" w{word}" for word in caller.answers
        }
    assert scheduler.queue.under_way == 0
    tally = scheduler.queue.tally
    assert (tally.windows, tally.tokens, tally.loads) == (120, 360, 1)
    assert tally.batches < tally.batch_windows <= tally.batches * scheduler.loop.batch_capacity


@pytest.mark.parametrize("workers", [0, 2])
def test_a_suspect_is_decoded_alone(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers)
    scheduler, patient, hasty, suspects = run(backend), Caller(), Caller("interactive"), Caller()
    model = base(backend, scheduler)
    announced: list[int] = []
    for word in range(20, 40):
        scheduler.queue.submit(patient.request(word))
    for word in range(50, 56):
        suspect = suspects.request(word)
        suspect.suspect, suspect.announce = True, partial(announced.append, word)
        scheduler.queue.submit(suspect)
    for word in range(60, 70):
        scheduler.queue.submit(hasty.request(word))
    assert len(patient.wait_for(20)) + len(hasty.wait_for(10)) + len(suspects.wait_for(6)) == 36
    assert announced == list(range(50, 56))
    assert all(len(batch) == 1 for batch in model.batches if batch & set(announced))


@pytest.mark.parametrize("workers", [0, 2])
def test_no_window_comes_between_the_tries_of_a_suspect(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers)
    scheduler, hasty, suspects = run(backend), Caller("interactive"), Caller("bulk")
    model = base(backend, scheduler)
    with scheduler.queue.changed:
        suspect = suspects.request(UNSURE)
        suspect.suspect = True
        scheduler.queue.submit(suspect)
        for word in range(60, 64):
            scheduler.queue.submit(hasty.request(word))
    assert len(hasty.wait_for(4)) + len(suspects.wait_for(1)) == 5
    tries = [at for at, batch in enumerate(model.batches) if UNSURE in batch]
    assert len(tries) > 1
    assert set(model.batches[tries[0] : tries[-1] + 1]) == {frozenset({UNSURE})}


@pytest.mark.parametrize("workers", [0, 2])
def test_suspects_whose_caller_leaves_keep_nobody_waiting(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers)
    scheduler, gone, patient = run(backend), Caller(), Caller()
    model = base(backend, scheduler)
    model.pause.clear()
    for word in range(50, 56):
        request = gone.request(word)
        request.suspect = True
        scheduler.queue.submit(request)
    scheduler.queue.submit(patient.request(20))
    scheduler.queue.drop([gone.stream])
    model.pause.set()
    assert text_of(patient.wait_for(1)[20]) == " w20"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_window_that_breaks_the_decoder_fails_alone(run: Run, workers: int) -> None:
    scheduler, caller = run(FakeBackend(workers=workers)), Caller()
    for word in (20, 21, POISON, 22, 23):
        scheduler.queue.submit(caller.request(word))
    answers = caller.wait_for(5)
    assert isinstance(answers.pop(POISON), WindowFailed)
    assert {word: text_of(answer) for word, answer in answers.items()} == {w: f" w{w}" for w in (20, 21, 22, 23)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_prompt_that_breaks_the_tokenizer_fails_alone(run: Run, workers: int) -> None:
    scheduler, mallory, alice = run(FakeBackend(workers=workers)), Caller(prompt=UNENCODABLE), Caller()
    for word in (20, 21):
        scheduler.queue.submit(mallory.request(word))
        scheduler.queue.submit(alice.request(word))
    assert all(isinstance(answer, WindowFailed) for answer in mallory.wait_for(2).values())
    assert all(text_of(answer) for answer in alice.wait_for(2).values())


def test_a_model_whose_callers_left_is_not_stepped_once_it_is_closed(run: Run) -> None:
    backend = FakeBackend(capacity_mib=100.0)
    scheduler = run(backend)
    model = base(backend, scheduler)
    model.steps = 10**9
    for _ in range(5):
        gone, next_one = Caller(), Caller(model="small")
        scheduler.queue.submit(gone.request(20))
        scheduler.queue.submit(next_one.request(21))
        until(lambda: backend.models["base"].under_way)
        scheduler.queue.drop([gone.stream])
        next_one.wait_for(1)
        assert not model.was_stepped_after_close
        model = base(backend, scheduler)
        model.steps = 10**9


@pytest.mark.parametrize("encoders", [1, 3])
def test_an_urgent_window_of_another_model_waits_for_what_is_encoded_but_not_for_ever(run: Run, encoders: int) -> None:
    """Encoded windows in the buffer still use the model that is to be closed."""
    backend = FakeBackend(workers=1, urgent_workers=1, encoders=encoders, capacity_mib=100.0)
    scheduler, lecture, clip = run(backend), Caller(), Caller("interactive", model="small")
    model = base(backend, scheduler)
    model.encoding_seconds = 0.01
    for word in range(20, 40):
        scheduler.queue.submit(lecture.request(word))
    until(lambda: len(lecture.answers) > 0)
    scheduler.queue.submit(clip.request(500))
    assert text_of(clip.wait_for(1)[500]) == " w500"
    lecture.wait_for(20)


@pytest.mark.parametrize("encoders", [1, 3])
def test_two_models_that_don_t_fit_together_both_get_their_windows_done(run: Run, encoders: int) -> None:
    backend = FakeBackend(workers=2, encoders=encoders, capacity_mib=100.0)
    scheduler, callers = run(backend), [Caller(), Caller(model="small")]
    for word in range(20, 60):
        for caller in callers:
            scheduler.queue.submit(caller.request(word))
    for caller in callers:
        assert all(text_of(answer) for answer in caller.wait_for(40).values())
    until(lambda: scheduler.queue.under_way == 0)


def test_a_lone_window_of_a_quick_model_is_encoded_where_urgent_ones_are(run: Run) -> None:
    backend = FakeBackend(workers=1, urgent_workers=1)
    scheduler = run(backend)
    model = base(backend, scheduler)
    assert model.encoded_urgently[-1]
    scheduler.queue.note_probe(QUICK_SECONDS)
    base(backend, scheduler)
    assert not model.encoded_urgently[-1]


@pytest.mark.parametrize("urgent_workers", [0, 1])
def test_an_urgent_window_that_is_cancelled_at_once_leaves_nothing_behind(run: Run, urgent_workers: int) -> None:
    scheduler, patient = run(FakeBackend(workers=1, urgent_workers=urgent_workers)), Caller()
    for word in range(100, 200):
        hasty = Caller("interactive")
        scheduler.queue.submit(hasty.request(word))
        scheduler.queue.drop([hasty.stream])
    scheduler.queue.submit(patient.request(20))
    patient.wait_for(1)
    until(lambda: scheduler.queue.under_way == 0)


def test_where_memory_runs_out_half_as_many_go_on(run: Run) -> None:
    backend = FakeBackend(slots=8)
    scheduler, caller = run(backend), Caller()
    model = base(backend, scheduler)
    model.most = 3
    for word in range(20, 40):
        scheduler.queue.submit(caller.request(word))
    assert all(text_of(answer) for answer in caller.wait_for(20).values())
    assert model.limit == 2


def test_a_short_clip_is_let_in_before_everything_that_waits(run: Run) -> None:
    backend = FakeBackend(slots=2)
    scheduler, lecture, clip = run(backend), Caller("bulk"), Caller("interactive")
    model = base(backend, scheduler)
    model.pause.clear()
    for word in range(20, 60):
        scheduler.queue.submit(lecture.request(word))
    scheduler.queue.submit(clip.request(500))
    model.pause.set()
    lecture.wait_for(40)
    # One who was first to arrive before it, then the two that had arrived.
    assert model.order.index(500) <= 6


def test_a_caller_who_leaves_frees_the_places_of_its_windows(run: Run) -> None:
    backend = FakeBackend(slots=2)
    scheduler, gone, patient = run(backend), Caller(), Caller()
    model = base(backend, scheduler)
    model.steps = 10**9
    for word in range(20, 30):
        scheduler.queue.submit(gone.request(word))
    scheduler.queue.drop([gone.stream])
    model.steps = 3
    scheduler.queue.submit(patient.request(31))
    assert text_of(patient.wait_for(1)[31]) == " w31"
    assert gone.answers == {}


def test_windows_wait_for_a_batch_while_more_are_being_encoded(run: Run) -> None:
    backend = FakeBackend(workers=2)
    scheduler, caller = run(backend), Caller()
    model = base(backend, scheduler)
    model.calls.clear()
    model.encoding_seconds = 0.02
    for word in range(20, 34):
        scheduler.queue.submit(caller.request(word))
    caller.wait_for(14)
    *full, _last, _very_last = model.calls
    assert sum(model.calls) == 14
    assert all(windows >= MIN_BATCH for windows in full)


def test_a_single_window_is_decoded_at_once(run: Run) -> None:
    backend = FakeBackend(workers=2)
    scheduler = run(backend)
    model = base(backend, scheduler)
    for number in range(3):
        caller = Caller()
        scheduler.queue.submit(caller.request(20 + number))
        caller.wait_for(1)
    assert model.calls[-3:] == [1, 1, 1]


def test_encoded_windows_that_nobody_waits_for_are_dropped(run: Run) -> None:
    backend = FakeBackend(workers=1)
    scheduler, gone, patient = run(backend), Caller(), Caller()
    model = base(backend, scheduler)
    model.encoding_seconds = 0.05
    for word in (20, 21, 22):
        scheduler.queue.submit(gone.request(word))
    time.sleep(0.08)
    scheduler.queue.drop([gone.stream])
    scheduler.queue.submit(patient.request(31))
    assert text_of(patient.wait_for(1)[31]) == " w31"
    assert scheduler.queue.under_way == 0


def test_words_are_timed_after_the_decoding(run: Run) -> None:
    scheduler, caller = run(FakeBackend()), Caller(words=True)
    scheduler.queue.submit(caller.request(77))
    answer = caller.wait_for(1)[77]
    assert not isinstance(answer, EngineError)
    assert [(word.word, word.start, word.end) for word in answer.segments[0].words] == [(" w77", 0.1, 0.4)]


def test_a_language_that_the_model_lacks_is_refused(run: Run) -> None:
    scheduler, caller = run(FakeBackend()), Caller(language="de")
    scheduler.queue.submit(caller.request(20))
    answer = caller.wait_for(1)[20]
    assert isinstance(answer, WindowRejected)
    assert "does not know the language 'de'" in str(answer)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("room", ["by the setting", "by the device"])
def test_the_model_that_was_not_used_for_longest_makes_room(run: Run, workers: int, room: str) -> None:
    backend = FakeBackend(workers=workers, capacity_mib=200.0 if room == "by the device" else 1e9)
    scheduler = run(backend, limit_mib=200.0 if room == "by the setting" else 0.0)
    for number, name in enumerate(["base", "small", "base", "tiny", "base", "small"]):
        caller = Caller(model=name)
        scheduler.queue.submit(caller.request(20 + number))
        assert text_of(caller.wait_for(1)[20 + number]) == f" w{20 + number}"
    assert backend.opened == ["base", "small", "tiny", "small"]
    assert backend.closed == ["small", "tiny"]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_models_take_turns_where_only_one_fits(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers, capacity_mib=100.0)
    scheduler, callers = run(backend), [Caller(model=name) for name in NAMES]
    for word in range(20, 40):
        for caller in callers:
            scheduler.queue.submit(caller.request(word))
    for caller in callers:
        assert all(text_of(answer) for answer in caller.wait_for(20).values())


def test_a_model_that_is_too_large_costs_its_callers_only(run: Run) -> None:
    backend = FakeBackend(capacity_mib=50.0)
    scheduler, unlucky = run(backend), Caller()
    scheduler.queue.submit(unlucky.request(20))
    answer = unlucky.wait_for(1)[20]
    assert isinstance(answer, WindowFailed)
    assert "the model base does not fit into memory" in str(answer)
    backend.capacity_mib = 100.0
    lucky = Caller(model="small")
    scheduler.queue.submit(lucky.request(21))
    assert text_of(lucky.wait_for(1)[21]) == " w21"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_model_that_cannot_be_opened_costs_its_callers_only(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers, broken="small")
    scheduler, unlucky, lucky = run(backend), Caller(model="small"), Caller()
    scheduler.queue.submit(unlucky.request(20))
    scheduler.queue.submit(lucky.request(21))
    assert "the model small cannot be opened: UnpicklingError" in str(unlucky.wait_for(1)[20])
    assert text_of(lucky.wait_for(1)[21]) == " w21"


@pytest.mark.parametrize("workers", [0, 2])
def test_words_are_timed_while_their_model_is_wanted_out_of_the_way(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers, capacity_mib=100.0)
    scheduler, talkers, others = run(backend), [Caller(words=True) for _ in range(4)], [Caller(model="small")] * 2
    for word in range(20, 40):
        for caller in talkers:
            scheduler.queue.submit(caller.request(word))
        scheduler.queue.submit(others[0].request(word))
    for caller in (*talkers, others[0]):
        assert all(text_of(answer) for answer in caller.wait_for(20).values())


@pytest.mark.parametrize("wanted_by", ["a window", "an operator"])
def test_a_window_is_heard_again_in_full_before_its_model_makes_room(run: Run, wanted_by: str) -> None:
    backend = FakeBackend(capacity_mib=100.0)
    scheduler, doubted, other = run(backend), Caller(), Caller(model="small")
    models, model = scheduler.models, base(backend, scheduler)
    model.pause.clear()
    request = doubted.request(UNSURE)
    request.work.window = replace(request.work.window, encoder_frames=700)
    scheduler.queue.submit(request)
    until(lambda: models._open["base"].users)
    if wanted_by == "an operator":
        threading.Thread(target=models.load, args=("small",), daemon=True).start()
        until(lambda: "base" in models._retiring)
    scheduler.queue.submit(other.request(20))
    until(lambda: "base" in models._retiring and not any(scheduler.queue.queued().values()))
    model.pause.set()
    assert text_of(doubted.wait_for(1)[UNSURE]) == f" w{UNSURE}"
    assert not request.work.window.is_short
    assert text_of(other.wait_for(1)[20]) == " w20"
    until(lambda: not models._open["small"].users)
    assert (models.loaded, scheduler.queue.under_way) == (("small",), 0)


def test_a_window_for_which_there_is_never_room_is_given_up(run: Run) -> None:
    backend = FakeBackend()
    scheduler, huge, small = run(backend), Caller(), Caller()
    for word in (20, HUGE, 21):
        scheduler.queue.submit((huge if word == HUGE else small).request(word))
    assert isinstance(huge.wait_for(1)[HUGE], WindowFailed)
    assert all(text_of(answer) for answer in small.wait_for(2).values())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_result_that_makes_no_sense_fails_alone(run: Run, workers: int) -> None:
    scheduler, caller = run(FakeBackend(workers=workers)), Caller()
    for word in (20, NOT_A_NUMBER, 21):
        scheduler.queue.submit(caller.request(word))
    answers = caller.wait_for(3)
    assert "not numbers" in str(answers.pop(NOT_A_NUMBER))
    assert all(text_of(answer) for answer in answers.values())
    assert scheduler.queue.under_way == 0


def test_a_window_that_is_no_number_is_decoded_once_more_in_float32_and_nobody_else_is(run: Run) -> None:
    backend = FakeBackend()
    scheduler, caller = run(backend), Caller()
    model = base(backend, scheduler)
    for word in (20, NOT_A_HALF, 21, NOT_A_NUMBER, 22):
        scheduler.queue.submit(caller.request(word))
    answers = caller.wait_for(5)
    assert "not numbers" in str(answers.pop(NOT_A_NUMBER))
    heard = {word: text_of(answer) for word, answer in answers.items()}
    assert heard == {word: f" w{word}" for word in (20, NOT_A_HALF, 21, 22)}
    assert sorted(word for word in model.order if word in answers) == [NOT_A_HALF, 20, 21, 22]
    assert model.evicted == []
    assert scheduler.queue.under_way == 0


def test_a_window_that_is_heard_again_in_full_may_be_no_number_once_more(run: Run) -> None:
    scheduler, caller = run(FakeBackend()), Caller()
    request = caller.request(NOT_A_HALF)
    request.work.window = replace(request.work.window, encoder_frames=700)
    scheduler.queue.submit(request)
    assert text_of(caller.wait_for(1)[NOT_A_HALF]) == f" w{NOT_A_HALF}"
    assert not request.work.window.is_short


def test_a_call_that_takes_too_long_is_overdue() -> None:
    queue = RequestQueue()
    with queue.timed(patience=0.001):
        while queue.overdue() <= 0:
            time.sleep(0.001)
    assert queue.overdue() == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_model_that_nobody_uses_is_unloaded_and_comes_back_for_the_first_who_asks(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers)
    scheduler = run(backend, unload_seconds=0.05, kept="base")
    for round_ in range(2):
        for name in ("base", "small"):
            caller = Caller(model=name)
            scheduler.queue.submit(caller.request(20 + round_))
            assert text_of(caller.wait_for(1)[20 + round_]) == f" w{20 + round_}"
        until(lambda: scheduler.models.loaded == ("base",))
    assert backend.opened == ["base", "small", "small"]


def test_a_model_is_not_unloaded_while_a_window_is_under_way(run: Run) -> None:
    backend = FakeBackend(steps=200)
    scheduler, caller = run(backend, unload_seconds=0.02), Caller()
    scheduler.queue.submit(caller.request(20))
    assert text_of(caller.wait_for(1)[20]) == " w20"
    assert not backend.models["base"].was_stepped_after_close
    until(lambda: scheduler.models.loaded == ())
    assert backend.closed == ["base"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_model_is_loaded_ahead_and_unloaded_when_its_windows_are_done(run: Run, workers: int) -> None:
    backend = FakeBackend(workers=workers)
    scheduler, caller = run(backend, kept="base"), Caller()
    scheduler.models.load("base")
    assert (backend.opened, caller.answers) == (["base"], {})
    for word in range(20, 40):
        scheduler.queue.submit(caller.request(word))
    scheduler.models.unload("base")
    assert backend.closed == ["base"]
    assert len(caller.wait_for(20)) == 20
    tally = scheduler.queue.tally
    assert tally.unloads["operator"] == 1
    assert tally.loads == len(backend.opened)


def test_slots_of_a_model_that_is_being_closed_are_not_counted(run: Run) -> None:
    backend, counts = FakeBackend(), list[int]()
    scheduler = run(backend)
    base(backend, scheduler).on_close = lambda: counts.append(scheduler.models.slots)
    scheduler.models.unload("base")
    assert counts == [0]


def test_orders_that_cannot_be_followed_are_told_until_one_is(run: Run) -> None:
    backend = FakeBackend(broken="small")
    models = run(backend).models
    models.load("small")
    assert "small cannot be loaded: the model small cannot be opened" in models.problem
    with models.using("base"):
        models.unload("base", seconds=0.0)
        assert "base is not unloaded while windows need it" in models.problem
        assert "base" in models.loaded
    models.unload("base", seconds=0.0)
    assert not models.problem
    assert "base" not in models.loaded
