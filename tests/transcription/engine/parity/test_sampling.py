"""Above temperature 0 tokens are sampled from the model's distribution, and the seed determines which."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import Case, Pair
from transcription.engine.torch_backend.sampling import choose, gumbel, uniform
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.state import SlotState

pytestmark = pytest.mark.parity

DRAWS = 20_000


def test_uniform_numbers_are_uniform_and_unrelated() -> None:
    numbers = uniform(torch.tensor([0, 0, 1, 1 << 40]), torch.tensor([5, 6, 5, 5]), 50_000)
    assert 0 < float(numbers.min()) <= float(numbers.max()) < 1
    assert torch.allclose(numbers.mean(dim=1), torch.tensor(0.5), atol=0.01)
    assert torch.allclose(numbers.var(dim=1), torch.tensor(1 / 12), atol=0.002)
    apart = torch.corrcoef(numbers) - torch.eye(4)
    neighbours = torch.corrcoef(torch.stack([numbers[0, :-1], numbers[0, 1:]]))[0, 1]
    assert float(apart.abs().max()) < 0.03
    assert abs(float(neighbours)) < 0.03


def test_extremes_stay_finite() -> None:
    assert bool(gumbel(torch.arange(64), torch.arange(64), 51_866).isfinite().all())


@pytest.mark.parametrize("temperature", [0.4, 1.0])
@pytest.mark.parametrize("varying", ["seed", "position"])
def test_tokens_are_drawn_by_their_probabilities(temperature: float, varying: str) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -torch.inf])
    state = _state(DRAWS, temperature, varying)
    drawn = choose(logits.expand(DRAWS, -1), state, sampled=True)
    shares = torch.bincount(drawn, minlength=5) / DRAWS
    assert torch.allclose(shares, (logits / temperature).softmax(dim=0), atol=0.015)
    assert shares[-1] == 0


def test_rows_at_temperature_zero_stay_greedy_beside_others() -> None:
    state = _state(2, 1.0)
    state.temperature[0] = 0.0
    assert choose(torch.tensor([[0.0, 0.1], [0.0, 0.1]]), state, sampled=True)[0] == 1


def test_a_seed_decides_whatever_else_is_in_the_batch(pair: Pair, decoder: SlotDecoder) -> None:
    case = Case("en/quick_brown_fox")
    warm = replace(pair.request(case), temperature=1.0, seed=11, max_tokens=20)
    (alone,) = decode_all(decoder, [warm])
    others = [replace(warm, seed=seed) for seed in (12, 13)]
    cold = pair.request(case)
    among = decode_all(decoder, [cold, *others, warm])
    assert among[3].tokens == alone.tokens
    assert len({result.tokens for result in among[1:]}) > 1
    assert list(among[0].tokens) == pair.expected(case).tokens


def _state(rows: int, temperature: float, varying: str = "seed") -> SlotState:
    """Returns a state to sample from, whose rows differ in the seed or in the position alone."""
    values = dict.fromkeys(SlotState.__slots__, torch.zeros(rows, dtype=torch.long))
    values |= {varying: torch.arange(rows), "temperature": torch.full((rows,), temperature)}
    return SlotState(**values)
