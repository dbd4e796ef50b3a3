"""Tests without a GPU what matters on one: the size of a slot, and half precision."""

from __future__ import annotations

import pytest
import torch

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import Case, Pair
from tests.transcription.engine.torch_backend.large_v3 import parameters_on
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder

pytestmark = pytest.mark.parity


def test_a_slot_of_large_v3_costs_a_third_of_a_gigabyte() -> None:
    cache = SlotCache(parameters_on(torch.device("meta")), 1)
    kept = (*vars(cache).values(), *vars(cache.cross).values())
    assert sum(value.nbytes for value in kept if isinstance(value, torch.Tensor)) == pytest.approx(0.32e9, rel=0.01)


def test_half_precision_hears_the_same(real_pair: Pair) -> None:
    pair = real_pair
    case = Case("en/quick_brown_fox")
    request = pair.request(case)
    decoder = SlotDecoder(of_whisper(pair.model, dtype=torch.float16), 1)
    (result,) = decode_all(decoder, [DecodeRequest(request.encoding.half(), request.start)])
    assert list(result.tokens) == pair.expected(case).tokens
    assert result.avg_logprob == pytest.approx(pair.expected(case).avg_logprob, abs=0.02)
