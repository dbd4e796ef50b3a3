"""The tokens are openai-whisper's, whatever other windows are in the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from whisper.decoding import DecodingResult, decode
from whisper.model import ModelDimensions, Whisper

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import CASES, LONG_PROMPT, REAL_CASES, Case, Pair, options_of, start_for
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder

pytestmark = pytest.mark.parity


def assert_same(result: DecodeResult, expected: DecodingResult) -> None:
    assert list(result.tokens) == expected.tokens
    assert result.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-3)
    assert result.no_speech_prob == pytest.approx(expected.no_speech_prob, rel=1e-2, abs=1e-12)


@pytest.mark.parametrize("slots", [1, 4, 8])
def test_tokens_are_the_same_at_any_batch(pair: Pair, slots: int) -> None:
    results = decode_all(SlotDecoder(pair.parameters, slots), [pair.request(case) for case in CASES])
    for result, case in zip(results, CASES, strict=True):
        assert_same(result, pair.expected(case))


def test_tokens_of_the_real_weights_are_the_same(real_pair: Pair) -> None:
    results = decode_all(SlotDecoder(real_pair.parameters, 2), [real_pair.request(case) for case in REAL_CASES])
    for result, case in zip(results, REAL_CASES, strict=True):
        assert_same(result, real_pair.expected(case))


def test_windows_enter_and_leave_while_others_are_under_way(pair: Pair, decoder: SlotDecoder) -> None:
    waiting = [Case("en/quick_brown_fox"), Case("es/conteo", "es"), Case("en/counting", prompt="1, 2, 3, 4.")] * 2
    case_of: dict[int, Case] = {}
    done: list[Case] = []
    for step in range(300):
        if step % 4 == 0 and waiting:
            case = waiting.pop()
            case_of[decoder.admit(pair.request(case))] = case
        decoder.step()
        for slot, result in decoder.finished():
            case = case_of.pop(slot)
            assert_same(result, pair.expected(case))
            done.append(case)
    assert len(done) == 6
    assert decoder.free == 8


def test_a_tail_begins_with_the_timestamp_that_is_given(pair: Pair, decoder: SlotDecoder) -> None:
    request = replace(pair.request(CASES[0]), first_timestamp=137, max_tokens=1)
    (result,) = decode_all(decoder, [request])
    assert result.tokens == (decoder.vocabulary.timestamp_begin + 137,)


def test_tokens_that_are_suppressed_are_not_sampled(pair: Pair, decoder: SlotDecoder) -> None:
    tokens = pair.expected(CASES[0]).tokens
    word = next(token for token in tokens if token < decoder.vocabulary.eot)
    request = replace(pair.request(CASES[0]), suppressed=(word,), max_tokens=len(tokens))
    (result,) = decode_all(decoder, [request])
    assert word not in result.tokens


@pytest.mark.parametrize("prompt", ["", LONG_PROMPT])
def test_other_dimensions_and_the_end_of_the_context(prompt: str) -> None:
    """With large-v3's vocabulary, a short context and untrained weights, texts end at their limit."""
    torch.manual_seed(3)
    model = Whisper(ModelDimensions(128, 1500, 128, 2, 2, 51_866, 96, 128, 2, 2)).eval()
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.5)
    encodings = torch.randn(1, 1500, 128)
    case = Case("", "yue", prompt=prompt)
    start = start_for(model, case)
    decoder = SlotDecoder(of_whisper(model), 2)
    results = decode_all(decoder, [DecodeRequest(encoding, start) for encoding in encodings])
    for result, encoding in zip(results, encodings, strict=True):
        assert_same(result, decode(model, encoding, options_of(case)))
    assert max(len(result.tokens) for result in results) >= 46
