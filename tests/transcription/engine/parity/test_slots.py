"""Slots are taken and freed, and no window affects another one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import Case, Pair
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.graphs import StepGraphs
from transcription.engine.torch_backend.slot_allocator import SlotsFull
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.step import Step, StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder
from transcription.engine.torch_backend.vocabulary import Start, vocabulary_of

pytestmark = pytest.mark.parity

FOX = Case("en/quick_brown_fox")


def test_more_windows_than_free_slots_are_refused(pair: Pair, decoder: SlotDecoder) -> None:
    with pytest.raises(SlotsFull):
        decoder.admit_all([pair.request(FOX)] * 9)
    assert decoder.free == 8


def test_a_window_that_is_given_up_leaves_the_others_alone(pair: Pair, decoder: SlotDecoder) -> None:
    given_up, kept = decoder.admit_all([pair.request(Case("silence")), pair.request(FOX)])
    for _ in range(5):
        decoder.step()
    decoder.evict(given_up)
    assert decoder.free == 7
    (result,) = run_out(decoder)[kept]
    assert list(result) == pair.expected(FOX).tokens
    with pytest.raises(KeyError):
        decoder.evict(given_up)


def test_a_result_is_that_of_its_own_window_after_another_was_given_up(pair: Pair, decoder: SlotDecoder) -> None:
    """The window in the lower row is evicted with its result unread after its last step; the other takes its row."""
    brief = replace(pair.request(Case("silence")), max_tokens=1)
    given_up, kept = decoder.admit_all([brief, pair.request(FOX)])
    for _ in range(len(brief.start.tokens)):
        decoder.step()
    decoder.evict(given_up)
    (result,) = run_out(decoder)[kept]
    assert list(result) == pair.expected(FOX).tokens


@torch.inference_mode()
def test_a_free_row_beyond_the_context_of_a_step_changes_nothing(pair: Pair) -> None:
    """With CUDA graphs a step has one of a few sizes, and may include free rows."""
    device = torch.device("cpu")
    vocabulary = vocabulary_of(pair.model.dims)
    state = SlotState.of(2, pair.model.dims.n_text_ctx, vocabulary, device)
    state.position[1] = 100
    before = [getattr(state, field.name)[1].clone() for field in fields(state)]
    Step(TextDecoder(pair.parameters, SlotCache(pair.parameters, 2)), state, vocabulary)(
        StepShape(2, 64, sampled=False)
    )
    after = [getattr(state, field.name)[1] for field in fields(state)]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_an_urgent_window_is_decoded_in_quick_steps_and_the_others_go_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, silence, rows = SlotDecoder(pair.parameters, 24), Case("silence"), list[int]()
    run = StepGraphs.run

    def recorded(graphs: StepGraphs, shape: StepShape) -> None:
        rows.append(shape.rows)
        run(graphs, shape)

    monkeypatch.setattr(StepGraphs, "run", recorded)
    # The first sixteen have the lowest rows, and are done soon.
    brief = decoder.admit_all([replace(pair.request(FOX), max_tokens=2)] * 16)
    long = decoder.admit_all([pair.request(FOX)] * 4)
    found = dict[int, DecodeResult]()
    while not found.keys() >= set(brief):
        decoder.step()
        found |= dict(decoder.finished())
    long += decoder.admit_all([pair.request(FOX)] * 14)
    found.clear()
    rows.clear()
    (urgent,) = decoder.admit_all([replace(pair.request(silence), urgent=True)])
    while urgent not in found:
        decoder.step()
        found |= dict(decoder.finished())
    assert (rows[:8].count(16), rows[:8].count(19)) == (6, 2)
    assert list(found[urgent].tokens) == pair.expected(silence).tokens
    while not found.keys() >= set(long):
        decoder.step()
        found |= dict(decoder.finished())
    assert all(list(found[slot].tokens) == pair.expected(FOX).tokens for slot in long)


def test_nothing_to_do_is_no_error(decoder: SlotDecoder) -> None:
    decoder.step()
    assert decoder.finished() == []
    assert decode_all(decoder, []) == []


def test_fewer_tokens_than_the_text_has(pair: Pair, decoder: SlotDecoder) -> None:
    (result,) = decode_all(decoder, [replace(pair.request(FOX), max_tokens=3)])
    assert list(result.tokens) == pair.expected(FOX).tokens[:3]


def test_requests_that_cannot_be_decoded(pair: Pair, decoder: SlotDecoder) -> None:
    request = pair.request(FOX)
    sot = decoder.vocabulary.sot
    for bad in (
        replace(request, encoding=request.encoding[:0]),
        replace(request, encoding=request.encoding[:, :10]),
        replace(request, start=Start(request.start.tokens, 1)),
        replace(request, start=Start((*[1] * 448, sot), 448)),
        replace(request, temperature=-1.0),
        replace(request, max_tokens=0),
    ):
        with pytest.raises(ValueError):
            decode_all(decoder, [request, bad])
    assert decoder.free == 8


def test_warming_up_is_for_idle_decoders(pair: Pair, decoder: SlotDecoder) -> None:
    decoder.warm_up()
    slot = decoder.admit(pair.request(FOX))
    with pytest.raises(RuntimeError):
        decoder.warm_up()
    decoder.evict(slot)


def run_out(decoder: SlotDecoder) -> dict[int, list[tuple[int, ...]]]:
    """Steps until every slot is free, and returns the tokens by slot."""
    done: dict[int, list[tuple[int, ...]]] = {}
    while decoder.free < decoder.slots:
        decoder.step()
        for slot, result in decoder.finished():
            done.setdefault(slot, []).append(result.tokens)
    return done
