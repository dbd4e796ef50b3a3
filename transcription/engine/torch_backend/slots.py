"""Continuous batching: windows enter and leave a running decoder between its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

import torch
from torch import Tensor

from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.admission import Admission
from transcription.engine.torch_backend.buckets import smallest
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.decoder import Decoder
from transcription.engine.torch_backend.device import URGENT
from transcription.engine.torch_backend.graphs import StepGraphs
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.readback import Occupant, Readback
from transcription.engine.torch_backend.slot_allocator import FEW_ROWS
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.step import Step, StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder

READ_EVERY = 4
"""Steps on a GPU between two copies of the state to the host. A finished slot idles for half as many on average."""

ALL_EVERY = 4
"""Steps, of which one computes all rows, while an urgent window is under way; the others compute few (FEW_ROWS)."""


class SlotDecoder(Decoder):
    """Decodes up to `slots` windows at once, each at its own position.

    Not thread-safe. On CUDA, `step` only queues work; `finished` returns its results a few steps later.

    A window keeps its slot number while its state may move to a lower row, so that a step computes few rows. While an
    urgent window is under way most steps compute the lowest rows only, in which urgent windows are, and the others
    wait: such a step is quick, and its results are read at once.
    """

    def __init__(
        self,
        parameters: Parameters,
        slots: int,
        graphs: bool = True,
        cross: CrossName = "keys_values",
        priority: int = URGENT,
    ) -> None:
        """Allocates the memory of all slots: 0.32 GB each for large-v3 in fp16, a quarter of that if absorbed.

        graphs: whether to use CUDA graphs; without them an error names the operation that failed. cross: how the
        encodings are stored, one of cross.CROSSES. priority: of its stream.
        """
        super().__init__(parameters, slots, priority)
        dims, device = parameters.dims, parameters.device
        cuda = device.type == "cuda"
        self._read_every = READ_EVERY if cuda else 1
        self._steps = 0
        with self._stream.before_the_rest():
            self._cache = SlotCache(parameters, slots, cross)
            self._state = SlotState.of(slots, dims.n_text_ctx, self.vocabulary, device)
            self._decoder = TextDecoder(parameters, self._cache)
            self._admission = Admission(parameters, self._tensors, self._decoder, self._state)
            step = Step(self._decoder, self._state, self.vocabulary)
            self._graphs = StepGraphs(step, self._idle, self._stream, enabled=cuda and graphs)
            self._readback = Readback(self._state, self.vocabulary.eot)
            tokens = list(self.vocabulary.language_tokens.values())
            self._languages = torch.tensor(tokens, dtype=torch.long, device=device)

    @torch.inference_mode()
    def language_chances(self, encodings: Tensor) -> list[dict[str, float]]:
        """Returns the probability of each language in each encoding, (batch, 1500, state).

        Needs no slot and waits for the device. The answer of an English-only model is {"en": 1.0}.
        """
        if not self.vocabulary.language_tokens:
            return [{"en": 1.0}] * len(encodings)
        logits = self._decoder.first_logits(self.vocabulary.sot, encodings)
        probabilities = logits.index_select(1, self._languages).softmax(dim=-1)
        return [dict(zip(self.vocabulary.language_tokens, chances, strict=True)) for chances in probabilities.tolist()]

    @torch.inference_mode()
    def step(self) -> None:
        occupants = list(self._allocator.occupants.values())
        if occupants:
            with self._stream.current():
                self._step(occupants)

    def _step(self, occupants: Sequence[Occupant]) -> None:
        rows = self._compact()
        urgent = [occupant.row for occupant in occupants if occupant.request.urgent]
        if urgent and self._steps % ALL_EVERY:
            rows = smallest(self._batches, min(rows, max(FEW_ROWS, max(urgent) + 1)))
            occupants = [occupant for occupant in occupants if occupant.row < rows]
        longest = max(occupant.fed for occupant in occupants) + 1
        sampled = any(occupant.request.temperature > 0 for occupant in occupants)
        self._graphs.run(StepShape(rows, smallest(self._contexts, longest), sampled, self._audio(occupants)))
        for occupant in occupants:
            occupant.fed = min(occupant.fed + 1, self._contexts[-1] - 1)
        self._steps += 1
        if urgent or self._steps % self._read_every == 0:
            self._readback.post(occupants)

    def finished(self) -> list[tuple[int, DecodeResult]]:
        done = []
        for occupant, result in self._readback.collect():
            if self._allocator.holds(occupant):
                del self._allocator.occupants[occupant.slot]
                done.append((occupant.slot, result))
        return done

    @torch.inference_mode()
    def evict(self, slot: int) -> None:
        with self._stream.current():
            self._state.stop(self._allocator.occupants.pop(slot).row)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Captures the graphs of all shapes.

        Raises RuntimeError unless all slots are free: a step with a short context would overwrite a window's cache.
        """
        if self._allocator.occupants:
            raise RuntimeError("the decoder can only be warmed up while all of its slots are free")
        with self._stream.current():
            self._graphs.capture_all(
                StepShape(*shape) for shape in product(self._batches, self._contexts, (False, True))
            )

    def _compact(self) -> int:
        """Moves windows to lower rows if that makes the step smaller, and returns how many rows it covers."""
        rows = smallest(self._batches, len(self._allocator.occupants))
        for occupant, row in self._allocator.beyond(rows):
            self._cache.move(occupant.row, row)
            self._state.move(occupant.row, row)
            self._state.stop(occupant.row)
            occupant.row = row
        return rows

    @contextmanager
    def _idle(self) -> Iterator[None]:
        """Stops all slots for the time of a block: their steps then repeat the last position, and change nothing."""
        running = self._state.running.clone()
        self._state.running.zero_()
        try:
            yield
        finally:
            self._state.running.copy_(running)
