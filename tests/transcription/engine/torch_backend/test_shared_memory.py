"""Models share a GPU's memory by use: with what they would take, those that were used lately."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from whisper.model import ModelDimensions

from benchmarks.weightless import WeightlessModel
from tests.transcription.engine.torch_backend.large_v3 import LARGE_V3
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.torch_backend import backend as torch_backend
from transcription.engine.torch_backend.backend import MOST_OF_A_GPU, TorchBackend
from transcription.engine.torch_backend.memory import CONTEXT_MIB, MIB, needed_mib
from transcription.engine.types import DoesNotFit

pytestmark = pytest.mark.torch

TURBO = ModelDimensions(*[*list(vars(LARGE_V3).values())[:-1], 4])
DIMENSIONS = {"large-v3": LARGE_V3, "turbo": TURBO}
UNLOAD_SECONDS = 0.2


class Card:
    """A GPU's memory in MiB, of which models without weights take what the real ones would."""

    def __init__(self, total_mib: float) -> None:
        self.total_mib = total_mib
        self.taken: dict[str, float] = {}
        self.slots: dict[str, int] = {}

    def reserved(self) -> int:
        return round(sum(self.taken.values()) * MIB)

    def free(self) -> tuple[int, int]:
        return round((self.total_mib - CONTEXT_MIB) * MIB) - self.reserved(), round(self.total_mib * MIB)

    def open(self, name: str, slots: int, cross: Any, _graphs: bool, is_short: bool) -> WeightlessModel:
        card = self

        class Opened(WeightlessModel):
            is_open = True

            def close(self) -> None:
                self.is_open = False
                del card.taken[name]

        model = Opened(slots, 3)
        model.is_short = is_short
        self.taken[name] = needed_mib(DIMENSIONS[name], torch.float16, slots, cross) - CONTEXT_MIB
        assert sum(self.taken.values()) < self.total_mib - CONTEXT_MIB, "it fits"
        self.slots[name] = slots
        return model


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    """Returns a card of which the engine may take the memory that openai-whisper takes for large-v3."""
    card = Card(9783 / MOST_OF_A_GPU)
    stored = {
        name: SimpleNamespace(dims=dims, parameters=lambda _, name=name: name) for name, dims in DIMENSIONS.items()
    }
    monkeypatch.setattr(torch_backend, "configure", lambda _: None)
    monkeypatch.setattr(torch_backend, "stored_whisper", lambda name, _: stored[name])
    monkeypatch.setattr(torch_backend, "TorchModel", card.open)
    for name, figure in {
        "mem_get_info": card.free,
        "memory_reserved": card.reserved,
        "memory_allocated": lambda: 40 * MIB,  # cuBLAS's workspaces, and what libraries keep
    }.items():
        monkeypatch.setattr(torch.cuda, name, figure)
    return card


@pytest.fixture
def models(card: Card, tmp_path: Path) -> Iterator[Models]:
    models = Models(TorchBackend("cuda", 0, 0), RequestQueue(), 0.0, UNLOAD_SECONDS, "large-v3")
    (tmp_path / "model.bin").touch()
    models.weights = dict.fromkeys(DIMENSIONS, tmp_path)
    yield models
    models._queue.stop()


def use(models: Models, *names: str) -> None:
    for name in names:
        with models.using(name):
            pass


def test_a_model_that_is_alone_has_all_slots_whatever_else_is_offered(card: Card, models: Models) -> None:
    use(models, "large-v3")
    assert card.slots == {"large-v3": 64}


def test_two_in_use_both_have_slots_and_neither_is_loaded_again_and_again(card: Card, models: Models) -> None:
    use(models, "large-v3", "turbo", "large-v3")
    assert card.slots["large-v3"] >= 16
    assert card.slots["turbo"] >= 4
    before = dict(card.taken)
    use(models, "turbo", "large-v3", "turbo")
    assert card.taken == before


def test_what_is_unused_is_unloaded_and_the_other_has_its_memory(card: Card, models: Models) -> None:
    use(models, "large-v3", "turbo", "large-v3")
    time.sleep(UNLOAD_SECONDS)
    models.close_unused()
    assert models.loaded == ("large-v3",)
    assert card.slots["large-v3"] == 64


def test_where_there_is_room_for_all_nothing_is_loaded_again(card: Card, models: Models) -> None:
    card.total_mib = 81_920
    use(models, "large-v3", "turbo", "large-v3", "turbo")
    assert card.slots == {"large-v3": 64, "turbo": 64}
    assert models.loaded == ("large-v3", "turbo")


@pytest.mark.parametrize("gigabytes", [8, 10, 12, 16, 24])
def test_an_engine_that_fills_a_card_is_no_alert(card: Card, models: Models, gigabytes: int) -> None:
    card.total_mib = gigabytes * 1024
    use(models, "large-v3", "turbo")
    free, total = card.free()
    assert 1.0 - free / total < 0.9


def test_what_cannot_fit_is_told_so_though_somebody_still_knows_a_closed_model(card: Card) -> None:
    backend = TorchBackend("cuda", 0, 0)
    closed = backend.open("turbo", Path("turbo"))
    closed.close()
    card.total_mib = 2000
    with pytest.raises(DoesNotFit):
        backend.open("large-v3", Path("large-v3"))
