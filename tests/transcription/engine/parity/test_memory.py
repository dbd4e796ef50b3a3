"""Memory sizes are exact, and running out of memory changes no text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass

import pytest
import torch
from torch import Tensor
from whisper.model import ModelDimensions

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import Case, Pair
from tests.transcription.engine.torch_backend.large_v3 import LARGE_V3
from transcription.engine.torch_backend import cross
from transcription.engine.torch_backend.attention import cross_keys_values
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.memory import (
    MIB,
    best_cross,
    needed_mib,
    slot_mib,
    slots_within,
    weights_mib,
    widened_mib,
)
from transcription.engine.torch_backend.parameters import CrossAttention, in_float32, of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.vocabulary import vocabulary_of
from transcription.engine.types import EngineError

pytestmark = pytest.mark.parity

HALF = torch.float16
OPENAI_MIB = 9_783
"""MiB that openai-whisper takes for large-v3, by the client's document."""

FOX, SILENCE, CONTEO = Case("en/quick_brown_fox"), Case("silence"), Case("es/conteo", "es")


def tensors(value: object) -> Iterator[Tensor]:
    """Yields all tensors within nested dataclasses and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from tensors(part)
    elif is_dataclass(value) and not isinstance(value, ModelDimensions):
        for field in fields(value):
            yield from tensors(getattr(value, field.name))


def kept_by(cache: object) -> tuple[Tensor, ...]:
    return tuple(value for value in vars(cache).values() if isinstance(value, Tensor))


def mib(*values: object) -> float:
    return sum(tensor.nbytes for tensor in tensors(values)) / MIB


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_weights_are_counted_to_the_byte(pair: Pair, dtype: torch.dtype) -> None:
    parameters = of_whisper(pair.model, dtype=dtype)
    assert weights_mib(pair.model.dims, dtype) == mib(parameters)


def test_what_float32_copies_is_counted_to_the_byte(pair: Pair) -> None:
    half = of_whisper(pair.model, dtype=HALF)
    own = {tensor.data_ptr() for tensor in tensors(half)}
    copied = sum(tensor.nbytes for tensor in tensors(in_float32(half)) if tensor.data_ptr() not in own) / MIB
    assert widened_mib(pair.model.dims) == pytest.approx(copied, rel=1e-3)  # biases of wide matrices are not


@pytest.mark.parametrize("beams", [1, 5])
@pytest.mark.parametrize("kept", ["keys_values", "int8", "absorbed"])
def test_slots_are_counted_to_the_byte(pair: Pair, kept: CrossName, beams: int) -> None:
    dims = pair.model.dims
    cache = SlotCache(pair.parameters, 3, kept, beams)
    state = SlotState.of(3 * beams, dims.n_text_ctx, vocabulary_of(dims), torch.device("cpu"))
    assert 3 * slot_mib(dims, torch.float32, kept, beams) == pytest.approx(
        mib(kept_by(cache), kept_by(cache.cross), state), rel=1e-12
    )


def test_large_v3_in_the_memory_that_openai_whisper_takes() -> None:
    assert weights_mib(LARGE_V3, HALF) == pytest.approx(2_948, abs=1)
    assert slot_mib(LARGE_V3, HALF) == pytest.approx(304.4, abs=0.1)
    assert slot_mib(LARGE_V3, HALF, "int8") == pytest.approx(190.9, abs=0.1)
    assert slot_mib(LARGE_V3, HALF, "absorbed") == pytest.approx(73.7, abs=0.1)
    assert slots_within(LARGE_V3, HALF, OPENAI_MIB) == 17
    assert slots_within(LARGE_V3, HALF, OPENAI_MIB, "int8") == 26
    assert slots_within(LARGE_V3, HALF, OPENAI_MIB, "absorbed") == 66
    assert slots_within(LARGE_V3, HALF, 80 * 1024, most=64) == 64


@pytest.mark.parametrize(
    ("gib", "with_kernel", "without"),
    [(5, "absorbed", "absorbed"), (6.5, "int8", "absorbed"), (23, "int8", "absorbed"), (24, "int8", "keys_values")],
)
def test_how_encodings_are_kept_goes_by_what_fits(gib: float, with_kernel: CrossName, without: CrossName) -> None:
    assert best_cross(LARGE_V3, HALF, gib * 1024, 64, has_kernel=True) == with_kernel
    assert best_cross(LARGE_V3, HALF, gib * 1024, 64, has_kernel=False) == without


def test_the_slots_fit_and_one_more_would_not() -> None:
    slots = slots_within(LARGE_V3, HALF, 6_000)
    assert needed_mib(LARGE_V3, HALF, slots) <= 6_000 < needed_mib(LARGE_V3, HALF, slots + 1)


def test_too_little_memory_is_said_in_figures() -> None:
    with pytest.raises(EngineError, match="large-v3 needs 4629 MiB at least; the limit is 4500 MiB"):
        slots_within(LARGE_V3, HALF, 4_500, name="large-v3")
    assert slots_within(LARGE_V3, HALF, 4_629, name="large-v3") == 1


def test_a_lower_limit_lets_those_under_way_finish(pair: Pair) -> None:
    decoder = SlotDecoder(pair.parameters, 4)
    cases = dict(zip(decoder.admit_all([pair.request(FOX)] * 3), [FOX] * 3, strict=True))
    decoder.step()
    decoder.limit = 2
    assert decoder.free == 0
    done = dict(run_out(decoder))
    assert {slot: list(tokens) for slot, tokens in done.items()} == {
        slot: pair.expected(case).tokens for slot, case in cases.items()
    }
    assert (decoder.free, decoder.limit, decoder.slots) == (2, 2, 4)
    results = decode_all(decoder, [pair.request(SILENCE)] * 3)
    assert [list(result.tokens) for result in results] == [pair.expected(SILENCE).tokens] * 3
    for wrong in (0, 5):
        with pytest.raises(ValueError, match="1 to 4"):
            decoder.limit = wrong


@pytest.mark.parametrize("calls", [0, 1])
def test_an_admission_that_runs_out_of_memory(pair: Pair, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Fails at the first layer, or between the layers."""
    decoder = SlotDecoder(pair.parameters, 4)
    first = decoder.admit(pair.request(FOX))
    for _ in range(6):
        decoder.step()
    requests = [pair.request(CONTEO), pair.request(SILENCE)]
    with monkeypatch.context() as patched:
        patched.setattr(cross, "cross_keys_values", _running_out(calls))
        with pytest.raises(torch.OutOfMemoryError):
            decoder.admit_all(requests)
    assert decoder.free == 3
    second, third = decoder.admit_all([pair.request(CONTEO), pair.request(FOX)])
    done = dict(run_out(decoder))
    assert list(done[first]) == list(done[third]) == pair.expected(FOX).tokens
    assert list(done[second]) == pair.expected(CONTEO).tokens


def test_state_that_was_half_written_does_not_run(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = SlotDecoder(pair.parameters, 2)
    write = SlotState.write

    def broken(state: SlotState, rows: Tensor, values: dict[str, Tensor]) -> None:
        write(state, rows, values)
        raise torch.OutOfMemoryError

    request = pair.request(FOX)
    with monkeypatch.context() as patched:
        patched.setattr(SlotState, "write", broken)
        with pytest.raises(torch.OutOfMemoryError):
            decoder.admit(request)
    assert not decoder._state.running.any()
    (result,) = decode_all(decoder, [pair.request(SILENCE)])
    assert list(result.tokens) == pair.expected(SILENCE).tokens


def _running_out(calls: int) -> Callable[[CrossAttention, Tensor, int], tuple[Tensor, Tensor]]:
    """Returns a projection that raises OutOfMemoryError after `calls` layers."""
    left = iter(range(calls))

    def project(layer: CrossAttention, encodings: Tensor, heads: int) -> tuple[Tensor, Tensor]:
        if next(left, None) is None:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return cross_keys_values(layer, encodings, heads)

    return project


def run_out(decoder: SlotDecoder) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Steps until all slots are free, and yields each slot with its tokens."""
    while decoder._allocator.occupants:
        decoder.step()
        yield from ((slot, result.tokens) for slot, result in decoder.finished())
