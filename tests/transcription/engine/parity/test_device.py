"""Tests without a GPU what matters on one: shapes, dtypes, and that no step reads a value from the device."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from whisper.model import ModelDimensions

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import Case, Pair
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.parameters import Parameters, of_state, of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.step import Step, StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder
from transcription.engine.torch_backend.vocabulary import vocabulary_of

pytestmark = pytest.mark.parity

LARGE_V3 = ModelDimensions(128, 1500, 1280, 20, 32, 51_866, 448, 1280, 20, 32)
META = torch.device("meta")
ROWS = 64


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """Returns large-v3 on the meta device, where reading any value raises an error."""
    return of_state(LARGE_V3, _state_dict(LARGE_V3), [(7, 0), (10, 17)], META, torch.float16)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("context", [64, 448])
@torch.inference_mode()
def test_a_step_depends_on_no_value(parameters: Parameters, context: int, sampled: bool) -> None:
    vocabulary = vocabulary_of(LARGE_V3)
    state = SlotState.of(ROWS, LARGE_V3.n_text_ctx, vocabulary, META)
    decoder = TextDecoder(parameters, SlotCache(parameters, ROWS))
    Step(decoder, state, vocabulary)(StepShape(ROWS // 2, context, sampled))


@torch.inference_mode()
def test_neither_do_the_encoder_and_an_admission(parameters: Parameters) -> None:
    encodings = Encoder(parameters.audio)(torch.empty(4, 128, 3000, device=META))
    assert (encodings.shape, encodings.dtype) == ((4, 1500, 1280), torch.float16)
    decoder = TextDecoder(parameters, SlotCache(parameters, ROWS))
    rows = torch.empty(4, dtype=torch.long, device=META)
    decoder.admit(rows, encodings, torch.empty(2, 128, dtype=torch.long, device=META))
    assert decoder.first_logits(vocabulary_of(LARGE_V3).sot, encodings).shape == (4, 51_866)


def test_a_slot_of_large_v3_costs_a_third_of_a_gigabyte(parameters: Parameters) -> None:
    cache = SlotCache(parameters, 1)
    tensors = (cache.keys, cache.values, cache.cross_keys, cache.cross_values)
    assert sum(tensor.nbytes for tensor in tensors) == pytest.approx(0.32e9, rel=0.01)


def test_half_precision_hears_the_same(real_pair: Pair) -> None:
    pair = real_pair
    case = Case("en/quick_brown_fox")
    request = pair.request(case)
    decoder = SlotDecoder(of_whisper(pair.model, dtype=torch.float16), 1)
    (result,) = decode_all(decoder, [DecodeRequest(request.encoding.half(), request.start)])
    assert list(result.tokens) == pair.expected(case).tokens
    assert result.avg_logprob == pytest.approx(pair.expected(case).avg_logprob, abs=0.02)


def _state_dict(dims: ModelDimensions) -> dict[str, Tensor]:
    """Returns tensors without values by openai-whisper's names and in its shapes."""
    audio, text = dims.n_audio_state, dims.n_text_state
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (audio, dims.n_mels, 3),
        "encoder.conv1.bias": (audio,),
        "encoder.conv2.weight": (audio, audio, 3),
        "encoder.conv2.bias": (audio,),
        "encoder.positional_embedding": (dims.n_audio_ctx, audio),
        "decoder.token_embedding.weight": (dims.n_vocab, text),
        "decoder.positional_embedding": (dims.n_text_ctx, text),
        **_norm("encoder.ln_post", audio),
        **_norm("decoder.ln", text),
    }
    for number in range(dims.n_audio_layer):
        shapes |= _block(f"encoder.blocks.{number}", audio, ["attn"])
    for number in range(dims.n_text_layer):
        shapes |= _block(f"decoder.blocks.{number}", text, ["attn", "cross_attn"])
    return {name: torch.empty(shape, device=META) for name, shape in shapes.items()}


def _block(name: str, state: int, attentions: list[str]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.mlp.0.weight": (4 * state, state),
        f"{name}.mlp.0.bias": (4 * state,),
        f"{name}.mlp.2.weight": (state, 4 * state),
        f"{name}.mlp.2.bias": (state,),
        **_norm(f"{name}.mlp_ln", state),
    }
    for attention in attentions:
        shapes |= {f"{name}.{attention}.{part}.weight": (state, state) for part in ("query", "key", "value", "out")}
        shapes |= {f"{name}.{attention}.{part}.bias": (state,) for part in ("query", "value", "out")}
        shapes |= _norm(f"{name}.{attention}_ln", state)
    return shapes


def _norm(name: str, state: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (state,), f"{name}.bias": (state,)}
