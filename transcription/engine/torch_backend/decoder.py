"""What both decoders are: a Whisper with windows under way, each in a slot of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from transcription.engine.torch_backend.buckets import batch_sizes, context_sizes
from transcription.engine.torch_backend.decode_request import DecodeRequest, DecodeResult
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.request_tensors import RequestTensors
from transcription.engine.torch_backend.slot_allocator import SlotAllocator
from transcription.engine.torch_backend.vocabulary import vocabulary_of


class Decoder(ABC):
    """Windows are admitted, stepped until they are finished, or evicted. Not thread-safe."""

    def __init__(self, parameters: Parameters, slots: int) -> None:
        dims, device = parameters.dims, parameters.device
        self.parameters = parameters
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
        self._allocator.limit = limit

    @property
    def free(self) -> int:
        """How many requests may be admitted now."""
        return self._allocator.free

    def admit(self, request: DecodeRequest) -> int:
        """Put a window into a free slot; returns its number. Raises as `admit_all` does."""
        return self.admit_all([request])[0]

    @abstractmethod
    def admit_all(self, requests: Sequence[DecodeRequest]) -> list[int]:
        """Admit several windows with one run through the layers; returns their slots, in order.

        Where that fails, none of them is admitted and those under way are as they were.
        Raises SlotsFull, or ValueError for a request that cannot be decoded.
        """

    @abstractmethod
    def step(self) -> None:
        """Feed every window one token. Does nothing when all slots are free."""

    @abstractmethod
    def finished(self) -> list[tuple[int, DecodeResult]]:
        """The windows that are known to be done, each once; their slots are free again."""

    @abstractmethod
    def evict(self, slot: int) -> None:
        """Free a slot whose window nobody waits for any more. Raises KeyError for a free one."""
