"""Slots are taken, given back, and never leak into each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import Case, Pair
from transcription.engine.torch_backend.slots import SlotDecoder, SlotsFull
from transcription.engine.torch_backend.vocabulary import Start

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
        replace(request, encoding=request.encoding[:100]),
        replace(request, start=Start(request.start.tokens, 1)),
        replace(request, start=Start((*[1] * 448, sot), 448)),
        replace(request, temperature=-1.0),
        replace(request, max_tokens=0),
    ):
        with pytest.raises(ValueError):
            decode_all(decoder, [request, bad])
    assert decoder.free == 8


def test_warming_up_is_for_idle_decoders(pair: Pair, decoder: SlotDecoder) -> None:
    assert decoder.warm_up() == 0
    slot = decoder.admit(pair.request(FOX))
    with pytest.raises(RuntimeError):
        decoder.warm_up()
    decoder.evict(slot)


def run_out(decoder: SlotDecoder) -> dict[int, list[tuple[int, ...]]]:
    """Step until every slot is free; the tokens by slot."""
    done: dict[int, list[tuple[int, ...]]] = {}
    while decoder.free < decoder.slots:
        decoder.step()
        for slot, result in decoder.finished():
            done.setdefault(slot, []).append(result.tokens)
    return done
