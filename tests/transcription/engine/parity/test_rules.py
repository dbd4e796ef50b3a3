"""The tokens that may be sampled next are those that openai-whisper allows, after any tokens before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import Whisper

from tests.transcription.engine.parity.conftest import Case, Pair, start_for
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.request_tensors import RequestTensors
from transcription.engine.torch_backend.rules import LogitRules
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.vocabulary import vocabulary_of
from transcription.engine.whisper_vocabulary import WhisperVocabulary

pytestmark = pytest.mark.parity

PASTS = 48


@pytest.fixture(scope="module")
def model(pair: Pair) -> Whisper:
    return pair.model


@pytest.fixture(scope="module")
def vocabulary(model: Whisper) -> WhisperVocabulary:
    return vocabulary_of(model.dims)


def pasts(vocabulary: WhisperVocabulary, length: int) -> Tensor:
    """Returns sampled tokens, (pasts, length): text and timestamps that never decrease, in random order."""
    generator = torch.Generator().manual_seed(length)
    text = torch.randint(1000, 40_000, (PASTS, length), generator=generator)
    moves = torch.randint(0, 120, (PASTS, length), generator=generator)
    stamps = (vocabulary.timestamp_begin + moves.cumsum(dim=1)).clamp_max(vocabulary.size - 1)
    return torch.where(torch.rand(PASTS, length, generator=generator) < 0.5, text, stamps)


def expected_of(model: Whisper, options: DecodingOptions, tokens: Tensor, logits: Tensor) -> Tensor:
    filtered = logits.clone()
    for rule in DecodingTask(model, options).logit_filters:
        rule.apply(filtered, tokens)
    return filtered


@pytest.mark.parametrize("prompt", ["", "What was said before."])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7])
def test_any_past_allows_the_same_tokens(
    model: Whisper, vocabulary: WhisperVocabulary, length: int, prompt: str
) -> None:
    sampled = pasts(vocabulary, length)
    start = start_for(model, Case("", "fr", prompt=prompt))
    tokens = torch.cat([torch.tensor(start.tokens).expand(PASTS, -1), sampled], dim=1)
    # A few timestamps are made likely, or the mass of all of them would never matter.
    logits = torch.randn(PASTS, vocabulary.size, generator=torch.Generator().manual_seed(1)) * 3
    logits[:, vocabulary.timestamp_begin :] += torch.linspace(-4, 6, PASTS)[:, None]
    options = DecodingOptions(language="fr", prompt=prompt or None, fp16=False)
    expected = expected_of(model, options, tokens, logits)
    state = state_after(model, vocabulary, DecodeRequest(encoding(model), start), sampled)
    LogitRules(vocabulary, torch.device("cpu"))(logits, state, tokens[:, -1])
    assert torch.equal(logits, expected)


def encoding(model: Whisper) -> Tensor:
    return torch.zeros(model.dims.n_audio_ctx, model.dims.n_audio_state)


def state_after(model: Whisper, vocabulary: WhisperVocabulary, request: DecodeRequest, sampled: Tensor) -> SlotState:
    """Returns the state of slots that began with the request and have sampled these tokens, (slots, length)."""
    tensors = RequestTensors(model.dims, vocabulary, torch.device("cpu"))
    state = SlotState.of(len(sampled), model.dims.n_text_ctx, vocabulary, torch.device("cpu"))
    state.write(torch.arange(len(sampled)), tensors.columns([request] * len(sampled)))
    begin = len(request.start.tokens)
    state.tokens[:, begin : begin + sampled.shape[1]] = sampled
    state.position.fill_(begin + sampled.shape[1] - 1)
    for token in sampled.T:
        state.timestamp.copy_(torch.where(token >= vocabulary.timestamp_begin, token, state.timestamp))
    return state
