"""The interface of both decoders, SlotDecoder and BeamDecoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.admission import Admission
from transcription.engine.torch_backend.buckets import audio_sizes, batch_sizes, context_sizes, smallest
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.device import URGENT, WorkStream
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.readback import Occupant
from transcription.engine.torch_backend.request_tensors import RequestTensors
from transcription.engine.torch_backend.slot_allocator import SlotAllocator
from transcription.engine.torch_backend.vocabulary import vocabulary_of


class Decoder(ABC):
    """A Whisper whose windows are admitted to slots, stepped until they are finished, or evicted. Not thread-safe.

    On CUDA all of it runs on a stream of its own, after what the caller's stream has.
    """

    _admission: Admission

    def __init__(self, parameters: Parameters, slots: int, priority: int = URGENT) -> None:
        dims, device = parameters.dims, parameters.device
        self.parameters = parameters
        self._stream = WorkStream(device, priority)
        self.vocabulary = vocabulary_of(dims)
        self._allocator = SlotAllocator(slots)
        self._tensors = RequestTensors(dims, self.vocabulary, device)
        self._contexts = context_sizes(dims.n_text_ctx)
        self._batches = batch_sizes(slots, device.type == "cuda")

    @property
    def slots(self) -> int:
        """How many windows there is memory for."""
        return self._allocator.slots

    @property
    def limit(self) -> int:
        """How many windows may be under way at once, 1 to `slots`, which it is at first.

        To be lowered where memory runs out: windows under way go on until they are done. Raises
        ValueError for any other number.
        """
        return self._allocator.limit

    @limit.setter
    def limit(self, limit: int) -> None:
        if not 1 <= limit <= self.slots:
            raise ValueError(f"the limit is 1 to {self.slots} windows, not {limit}")
        self._allocator.limit = limit

    @property
    def free(self) -> int:
        """How many requests may be admitted now."""
        return self._allocator.free

    def admit(self, request: DecodeRequest) -> int:
        """Admits one window and returns its slot. Raises as `admit_all` does."""
        return self.admit_all([request])[0]

    def close(self) -> None:
        """Waits for the device and gives the stream up. The decoder is not used afterwards."""
        self._stream.close()

    def _audio(self, occupants: Sequence[Occupant]) -> int | None:
        """Returns StepShape.audio of a step with these windows."""
        lengths = {len(occupant.request.encoding) for occupant in occupants}
        whole = int(self.parameters.dims.n_audio_ctx)
        return None if lengths == {whole} else smallest(audio_sizes(whole), max(lengths))

    @torch.inference_mode()
    def admit_all(self, requests: Sequence[DecodeRequest]) -> list[int]:
        """Admits several windows with one run through the layers and returns their slots, in order.

        If that fails, none of them is admitted and the windows under way are unchanged.
        Raises SlotsFull, or ValueError for a request that cannot be decoded.
        """
        for request in requests:
            self._tensors.check(request)
        occupants = self._allocator.find(requests)
        with self._stream.current():
            self._admission.fill(occupants, self._stream)
        return self._allocator.take(occupants)

    @abstractmethod
    def step(self) -> None:
        """Feeds every window one token. Does nothing while all slots are free."""

    @abstractmethod
    def finished(self) -> list[tuple[int, DecodeResult]]:
        """Returns the finished windows by slot, each once, and frees their slots."""

    @abstractmethod
    def evict(self, slot: int) -> None:
        """Frees a slot before its window is finished. Raises KeyError for a free slot."""
