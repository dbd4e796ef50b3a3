"""Continuous batching: windows enter and leave a running decoder at the boundaries of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

import torch
from torch import Tensor

from transcription.engine.torch_backend.admission import Admission
from transcription.engine.torch_backend.buckets import smallest
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.decode_request import DecodeRequest, DecodeResult
from transcription.engine.torch_backend.decoder import Decoder
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.graphs import StepGraphs
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.readback import Readback
from transcription.engine.torch_backend.slot_allocator import SlotsFull
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.step import Step, StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder

__all__ = ["SlotDecoder", "SlotsFull"]

READ_EVERY = 4
"""Steps between two looks at what is done, on a GPU. A slot idles half as many on average."""


class SlotDecoder(Decoder):
    """A Whisper with `slots` windows under way at once, each at its own place in its own text.

    Not thread-safe, but for `encode`, which another thread may call meanwhile.
    On CUDA, `step` only queues work; `finished` tells a few steps later.

    A slot's number stays the same while its state may move to a lower row, so that a step
    computes no more rows than it must.
    """

    def __init__(
        self,
        parameters: Parameters,
        slots: int,
        read_every: int | None = None,
        graphs: bool = True,
        cross: CrossName = "keys_values",
    ) -> None:
        """Allocates the memory of all slots: 0.32 GB each for large-v3 in fp16, a quarter if absorbed.

        read_every: steps between two looks at what is done. graphs: False to run every step
        operation by operation on CUDA too, to find out whose fault something is. cross: how the
        encodings are kept, as cross.py has it.
        """
        super().__init__(parameters, slots)
        dims, device = parameters.dims, parameters.device
        cuda = device.type == "cuda"
        self._encoder = Encoder(parameters.audio)
        self._cache = SlotCache(parameters, slots, cross)
        self._state = SlotState.of(slots, dims.n_text_ctx, self.vocabulary, device)
        self._decoder = TextDecoder(parameters, self._cache)
        self._admission = Admission(parameters, self._tensors, self._decoder, self._state)
        step = Step(self._decoder, self._state, self.vocabulary)
        self._graphs = StepGraphs(step, self._idle, device, enabled=cuda and graphs)
        self._readback = Readback(self._state, self.vocabulary.eot)
        self._read_every = read_every or (READ_EVERY if cuda else 1)
        self._languages = torch.tensor(self.vocabulary.language_tokens, dtype=torch.long, device=device)
        self._steps = 0

    def encode(self, mels: Tensor) -> Tensor:
        """(batch, n_mels, 3000) to encodings, (batch, 1500, state)."""
        return self._encoder(mels)

    @torch.inference_mode()
    def detect(self, encodings: Tensor) -> list[tuple[str, float]]:
        """The likeliest language of each encoding, (batch, 1500, state), with its probability."""
        return [max(chances.items(), key=lambda chance: chance[1]) for chances in self.language_chances(encodings)]

    @torch.inference_mode()
    def language_chances(self, encodings: Tensor) -> list[dict[str, float]]:
        """The probability of each language in each encoding, (batch, 1500, state).

        Takes no slot. Waits for the device. A model that knows only English says {"en": 1.0}.
        """
        if not self.vocabulary.language_tokens:
            return [{"en": 1.0}] * len(encodings)
        logits = self._decoder.first_logits(self.vocabulary.sot, encodings)
        probabilities = logits.index_select(1, self._languages).softmax(dim=-1)
        codes = self.vocabulary.language_codes
        return [dict(zip(codes, chances, strict=True)) for chances in probabilities.tolist()]

    @torch.inference_mode()
    def admit_all(self, requests: Sequence[DecodeRequest]) -> list[int]:
        for request in requests:
            self._tensors.check(request)
        occupants = self._allocator.find(requests)
        self._admission.fill(occupants)
        return self._allocator.take(occupants)

    @torch.inference_mode()
    def step(self) -> None:
        occupants = list(self._allocator.occupants.values())
        if not occupants:
            return
        rows = self._compact()
        longest = max(occupant.fed for occupant in occupants) + 1
        sampled = any(occupant.request.temperature > 0 for occupant in occupants)
        self._graphs.run(StepShape(rows, smallest(self._contexts, longest), sampled))
        for occupant in occupants:
            occupant.fed = min(occupant.fed + 1, self._contexts[-1] - 1)
        self._steps += 1
        if self._steps % self._read_every == 0:
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
        self._state.stop(self._allocator.occupants.pop(slot).row)

    @torch.inference_mode()
    def warm_up(self, sampled: bool = False) -> int:
        """Capture the graphs of all shapes, or else each costs its first user a moment.

        sampled: those for temperatures above 0 too. Returns how many were captured.
        Raises RuntimeError while a window is under way, whose cache a short context would spoil.
        """
        if self._allocator.occupants:
            raise RuntimeError("the decoder can only be warmed up while all of its slots are free")
        kinds = (False, True) if sampled else (False,)
        shapes = [StepShape(*shape) for shape in product(self._batches, self._contexts, kinds)]
        return self._graphs.capture_all(shapes)

    def _compact(self) -> int:
        """Move windows to lower rows where that makes the step smaller; returns the step's rows."""
        rows = smallest(self._batches, len(self._allocator.occupants))
        for occupant, row in self._allocator.beyond(rows):
            self._cache.move(occupant.row, row)
            self._state.move(occupant.row, row)
            self._state.stop(occupant.row)
            occupant.row = row
        return rows

    @contextmanager
    def _idle(self) -> Iterator[None]:
        """No slot runs meanwhile: each repeats its last position, which changes nothing."""
        running = self._state.running.clone()
        self._state.running.zero_()
        try:
            yield
        finally:
            self._state.running.copy_(running)
