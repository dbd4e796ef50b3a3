"""Nothing that a CUDA graph holds, or that runs beside one, waits for the device; at large-v3's dimensions in fp16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.transcription.engine.torch_backend.capture_rules import accelerator, capture_rules
from tests.transcription.engine.torch_backend.large_v3 import LARGE_V3, parameters_on
from transcription.engine.torch_backend.alignment import Aligner, attention
from transcription.engine.torch_backend.beam_step import BeamStep
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.step import Step, StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder
from transcription.engine.torch_backend.vocabulary import vocabulary_of

pytestmark = pytest.mark.torch

SLOTS, BEAMS = 64, 5
VOCABULARY = vocabulary_of(LARGE_V3)


@dataclass(frozen=True)
class Card:
    """A device whose tensors have no values, and large-v3 on it."""

    device: torch.device
    parameters: Parameters

    def numbers(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.long, device=self.device)

    def encodings(self, windows: int) -> Tensor:
        shape = (windows, LARGE_V3.n_audio_ctx, LARGE_V3.n_audio_state)
        return torch.empty(shape, dtype=torch.float16, device=self.device)


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    with accelerator() as device, torch.inference_mode():
        yield Card(device, parameters_on(device))


@pytest.fixture
def rules(card: Card) -> Iterator[None]:
    with torch.inference_mode(), capture_rules(card.device):
        yield


@pytest.mark.parametrize(
    ("cross", "shape"),
    [
        ("keys_values", StepShape(64, 448, sampled=True)),
        ("int8", StepShape(64, 448, sampled=True)),
        ("int8", StepShape(16, 128, sampled=False, audio=1100)),
        ("absorbed", StepShape(1, 64, sampled=False, audio=600)),
    ],
)
def test_a_step(card: Card, cross: CrossName, shape: StepShape) -> None:
    state = SlotState.of(SLOTS, LARGE_V3.n_text_ctx, VOCABULARY, card.device)
    step = Step(TextDecoder(card.parameters, SlotCache(card.parameters, SLOTS, cross)), state, VOCABULARY)
    with capture_rules(card.device):
        step(shape)


@pytest.mark.parametrize("cross", ["keys_values", "int8"])
def test_a_step_of_beams_and_their_reordering(card: Card, cross: CrossName) -> None:
    cache = SlotCache(card.parameters, 2, cross, BEAMS)
    step = BeamStep(card.parameters, TextDecoder(card.parameters, cache), VOCABULARY, 2 * BEAMS, BEAMS + 1)
    rows = card.numbers(7)
    with capture_rules(card.device):
        step(StepShape(2 * BEAMS, 448, sampled=False, audio=1100))
        cache.reorder(rows, rows, 100)


def test_the_encoder(card: Card, rules: None) -> None:
    encodings = Encoder(card.parameters.audio)(torch.empty(4, 128, 3000, device=card.device))
    assert (encodings.shape, encodings.dtype) == ((4, 1500, 1280), torch.float16)


@pytest.mark.parametrize("cross", ["keys_values", "int8", "absorbed"])
def test_an_admission(card: Card, cross: CrossName) -> None:
    decoder = TextDecoder(card.parameters, SlotCache(card.parameters, SLOTS, cross))
    state = SlotState.of(SLOTS, LARGE_V3.n_text_ctx, VOCABULARY, card.device)
    rows, prompts, column = card.numbers(4), card.numbers(2, 128), card.numbers(4)
    with capture_rules(card.device):
        decoder.admit(rows, card.encodings(4), prompts, decoder.audio_mask(column[:2], LARGE_V3.n_audio_ctx))
        state.write(rows, {"position": column, "running": column, "temperature": column})
        state.move(5, 2)
        state.stop(5)


def test_a_detection_up_to_its_answer(card: Card, rules: None) -> None:
    decoder = TextDecoder(card.parameters, SlotCache(card.parameters, 1))
    assert decoder.first_logits(VOCABULARY.sot, card.encodings(4)).shape == (4, LARGE_V3.n_vocab)


def test_an_alignment_up_to_its_answer(card: Card) -> None:
    aligner, tokens, encodings = Aligner(card.parameters), card.numbers(3, 60), card.encodings(3)
    with capture_rules(card.device):
        states, scores = aligner._run(tokens, encodings)
        chances, weights = aligner._chances(states[0, 3:58], tokens[0, 4:59]), attention(scores[0])
    assert (states.shape, scores.shape) == ((3, 60, 1280), (3, 4, 60, 1500))
    assert (chances.shape, weights.shape) == ((55,), (60, 1500))


WAITING: dict[str, Callable[[Tensor], object]] = {
    "a number": lambda x: x.sum().item(),
    "a truth": lambda x: bool((x > 0).all()),
    "positions": lambda x: x.nonzero(),
    "a mask": lambda x: x[x > 0],
    "a write by a mask": lambda x: x.index_put_((x > 0,), x.new_zeros(())),
    "two devices": lambda x: x + torch.ones(3),
    "a list": lambda x: x[[0, 2]],
    "numbers of the host": lambda x: torch.tensor([1, 2], device=x.device),
    "to the host": lambda x: x.cpu(),
    "from the host": lambda x: x.copy_(torch.ones(3)),
    "distinct values": lambda x: x.unique(),
    "a comparison": lambda x: torch.equal(x, x),
}


@pytest.mark.parametrize("broken", WAITING.values(), ids=WAITING)
def test_what_waits_for_the_device_is_found(card: Card, broken: Callable[[Tensor], object]) -> None:
    x = torch.empty(3, device=card.device)
    with capture_rules(card.device), pytest.raises(RuntimeError):
        broken(x)
