"""Both caches of the cross-attention give the same results, and a broken encoding affects no other window."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import CASES, Case, Pair
from transcription.engine.torch_backend.attention import absorbed_attention, cross_keys_values
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.slots import SlotDecoder

pytestmark = pytest.mark.parity

FOX, CONTEO = Case("en/quick_brown_fox"), Case("es/conteo", "es")


@pytest.mark.parametrize("queries", [1, 5])
def test_absorbed_attention_is_attention(real_pair: Pair, queries: int) -> None:
    pair = real_pair
    encodings = torch.stack([pair.encoding("en/quick_brown_fox"), pair.encoding("silence")])
    heads = pair.model.dims.n_text_head
    for layer in pair.parameters.decoder:
        query = torch.randn(2, heads, queries, pair.parameters.head_width)
        expected = F.scaled_dot_product_attention(query, *cross_keys_values(layer.cross, encodings, heads))
        assert torch.allclose(absorbed_attention(layer.cross, query, encodings), expected, atol=1e-4)


def test_absorbed_gives_the_same_tokens(pair: Pair) -> None:
    requests = [pair.request(case) for case in CASES]
    results = decode_all(SlotDecoder(pair.parameters, 4, cross="absorbed"), requests)
    for result, case in zip(results, CASES, strict=True):
        assert list(result.tokens) == pair.expected(case).tokens
        assert result.avg_logprob == pytest.approx(pair.expected(case).avg_logprob, abs=1e-4)
        assert result.no_speech_prob == pytest.approx(pair.expected(case).no_speech_prob, rel=1e-2, abs=1e-12)


def test_8_bit_keys_and_values_give_a_clips_text(real_pair: Pair) -> None:
    (result,) = decode_all(SlotDecoder(real_pair.parameters, 1, cross="int8"), [real_pair.request(FOX)])
    assert list(result.tokens) == real_pair.expected(FOX).tokens
    assert result.avg_logprob == pytest.approx(real_pair.expected(FOX).avg_logprob, abs=0.02)


@pytest.mark.parametrize("cross", ["keys_values", "int8", "absorbed"])
def test_a_broken_encoding_harms_nobody_else(pair: Pair, cross: CrossName) -> None:
    decoder = SlotDecoder(pair.parameters, 2, cross=cross)
    fox, conteo = pair.request(FOX), pair.request(CONTEO)
    before = decode_all(decoder, [fox, conteo])
    if cross != "int8":
        assert [list(result.tokens) for result in before] == [pair.expected(FOX).tokens, pair.expected(CONTEO).tokens]
    broken = replace(fox, encoding=torch.full_like(fox.encoding, torch.nan), max_tokens=30)
    lost, found, after = decode_all(decoder, [broken, fox, conteo])
    assert len(lost.tokens) <= 30
    assert [found.tokens, after.tokens] == [result.tokens for result in before]
    # In the row that held the broken one: masked positions there must not be NaN.
    (again,) = decode_all(decoder, [fox])
    assert again.tokens == before[0].tokens
    assert again.avg_logprob == pytest.approx(before[0].avg_logprob, abs=1e-3)
