"""Copies the state of the slots to the host without making the device wait.

The CUDA half (pinned memory, events) HAS NOT RUN on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.state import SlotState

COLUMNS = ("running", "position", "tokens", "sum_logprob", "no_speech")


@dataclass(eq=False, slots=True)
class Occupant:
    """A request in a slot. `row` is the row of its state, which may change; `slot` does not.

    fed: position of the token that the next step feeds, unless the slot is done already.
    """

    slot: int
    row: int
    request: DecodeRequest
    fed: int


class Readback:
    """One asynchronous copy of the state at a time, with the occupants of its rows."""

    def __init__(self, state: SlotState, eot: int) -> None:
        self._eot = eot
        self._columns: list[Tensor] = [getattr(state, name) for name in COLUMNS]
        self._cuda = state.tokens.is_cuda
        self._host = [torch.empty(t.shape, dtype=t.dtype, pin_memory=self._cuda) for t in self._columns]
        self._event = torch.cuda.Event() if self._cuda else None  # type: ignore[no-untyped-call]
        self._posted: list[tuple[Occupant, int]] = []
        self._done: list[tuple[Occupant, DecodeResult]] = []

    def post(self, occupants: Sequence[Occupant]) -> None:
        """Starts a copy of the state of these slots. Waits for the copy before, if it is under way.

        That wait also keeps the host from running far ahead of the device.
        """
        if self._event is not None:
            self._event.synchronize()
        self._unpack()
        for host, column in zip(self._host, self._columns, strict=True):
            host.copy_(column, non_blocking=self._cuda)
        if self._event is not None:
            self._event.record()
        self._posted = [(occupant, occupant.row) for occupant in occupants]

    def collect(self) -> list[tuple[Occupant, DecodeResult]]:
        """Returns the occupants that are done, each with its result. Never waits.

        May return an occupant twice.
        """
        if self._event is None or self._event.query():  # type: ignore[no-untyped-call]
            self._unpack()
        done, self._done = self._done, []
        return done

    def _unpack(self) -> None:
        running = self._host[0]
        self._done += [(occupant, self._result(occupant, row)) for occupant, row in self._posted if not running[row]]
        self._posted = []

    def _result(self, occupant: Occupant, row: int) -> DecodeResult:
        _, position, tokens, sum_logprob, no_speech = (column[row] for column in self._host)
        begin, end = len(occupant.request.start.tokens), int(position) + 2
        sampled = tokens[begin:end].tolist()
        if sampled[-1] == self._eot:
            del sampled[-1]
        return DecodeResult(tuple(sampled), float(sum_logprob), float(no_speech))
