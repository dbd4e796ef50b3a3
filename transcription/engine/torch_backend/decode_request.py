"""The input of the slot and beam decoders."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from transcription.engine.torch_backend.vocabulary import Start


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """A window to decode.

    encoding: the encoder's output, (positions, state), with up to 1500 positions.
    temperature: 0 for greedy search, else of the distribution that is sampled.
    seed: of the sampling; one seed gives one result, whatever else the batch holds.
    first_timestamp: the only one, in steps of 0.02 s, that may come first; None for any up to 1.00 s.
    suppressed: tokens never to be sampled; None for the vocabulary's own list.
    max_tokens: to sample at most; half of the context (224) unless given.
    urgent: whether somebody waits for it.
    """

    encoding: Tensor = field(repr=False)
    start: Start
    temperature: float = 0.0
    seed: int = 0
    first_timestamp: int | None = None
    suppressed: tuple[int, ...] | None = None
    max_tokens: int | None = None
    urgent: bool = False
