"""What both decoders are: a Whisper with windows under way, each in a slot of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from transcription.engine.torch_backend.admission import Admission
from transcription.engine.torch_backend.buckets import batch_sizes, context_sizes
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.requests import Request, Result
from transcription.engine.torch_backend.seats import Seats
from transcription.engine.torch_backend.vocabulary import vocabulary_of


class Decoder(ABC):
    """Windows are admitted, stepped until they are finished, or evicted. Not thread-safe."""

    def __init__(self, parameters: Parameters, slots: int) -> None:
        dims, device = parameters.dims, parameters.device
        self.parameters = parameters
        self.vocabulary = vocabulary_of(dims)
        self._seats = Seats(slots)
        self._admission = Admission(dims, self.vocabulary, device)
        self._contexts = context_sizes(dims.n_text_ctx)
        self._batches = batch_sizes(slots, device.type == "cuda")

    @property
    def slots(self) -> int:
        """How many windows there is memory for."""
        return self._seats.slots

    @property
    def limit(self) -> int:
        """How many windows may be under way at once, 1 to `slots`, which it is at first.

        To be lowered where memory runs out: windows under way go on until they are done. Raises
        ValueError for any other number.
        """
        return self._seats.limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._seats.limit = limit

    @property
    def free(self) -> int:
        """How many requests may be admitted now."""
        return self._seats.free

    def admit(self, request: Request) -> int:
        """Put a window into a free slot; returns its number. Raises as `admit_all` does."""
        return self.admit_all([request])[0]

    @abstractmethod
    def admit_all(self, requests: Sequence[Request]) -> list[int]:
        """Admit several windows with one run through the layers; returns their slots, in order.

        Where that fails, none of them is admitted and those under way are as they were.
        Raises SlotsFull, or ValueError for a request that cannot be decoded.
        """

    @abstractmethod
    def step(self) -> None:
        """Feed every window one token. Does nothing when all slots are free."""

    @abstractmethod
    def finished(self) -> list[tuple[int, Result]]:
        """The windows that are known to be done, each once; their slots are free again."""

    @abstractmethod
    def evict(self, slot: int) -> None:
        """Free a slot whose window nobody waits for any more. Raises KeyError for a free one."""
