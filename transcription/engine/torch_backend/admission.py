"""Writes new windows into the cache and the state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.device import WorkStream
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.readback import Occupant
from transcription.engine.torch_backend.request_tensors import RequestTensors
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.text_decoder import TextDecoder


class Admission:
    """Fills the rows of windows, each with `beams` rows of the state, all with the same request.

    Rows are filled before the allocator assigns them. If that fails, for lack of memory for example, they stay free
    and no other window's rows have changed.
    """

    def __init__(
        self, parameters: Parameters, tensors: RequestTensors, decoder: TextDecoder, state: SlotState, beams: int = 1
    ) -> None:
        self._dtype = parameters.dtype
        self._audio = int(parameters.dims.n_audio_ctx)
        self._tensors = tensors
        self._decoder = decoder
        self._state = state
        self._beams = beams

    def fill(self, occupants: Sequence[Occupant], stream: WorkStream) -> None:
        """Fills the rows of all occupants with one run through the layers. stream: the current one."""
        if not occupants:
            return
        for occupant in occupants:
            stream.borrow(occupant.request.encoding)
        # The prefill takes the prompts of the first rows of the batch.
        ordered = sorted(occupants, key=lambda occupant: not occupant.request.start.sot_index)
        try:
            self._fill(ordered)
        except BaseException:
            # Rows whose state was written would otherwise run without an occupant.
            for row in self._state_rows(ordered):
                self._state.stop(row)
            raise

    def _fill(self, occupants: Sequence[Occupant]) -> None:
        requests = [occupant.request for occupant in occupants]
        rows = self._tensors.rows([occupant.row for occupant in occupants])
        encodings = torch.stack([self._whole(request.encoding) for request in requests]).to(self._dtype)
        prompted = [request for request in requests if request.start.sot_index]
        self._decoder.admit(rows, encodings, self._tensors.prompts(prompted), self._audio_mask(prompted))
        columns = self._tensors.columns([request for request in requests for _ in range(self._beams)])
        self._state.write(self._tensors.rows(self._state_rows(occupants)), columns)

    def _whole(self, encoding: Tensor) -> Tensor:
        """Returns an encoding with zeros for the positions that it lacks, to which nothing attends."""
        missing = self._audio - len(encoding)
        return F.pad(encoding, (0, 0, 0, missing)) if missing else encoding

    def _audio_mask(self, requests: Sequence[DecodeRequest]) -> Tensor | None:
        """Returns the mask of encodings that lack positions; None where all are whole."""
        lengths = [len(request.encoding) for request in requests]
        if all(length == self._audio for length in lengths):
            return None
        return self._decoder.audio_mask(self._tensors.rows(lengths), self._audio)

    def _state_rows(self, occupants: Sequence[Occupant]) -> list[int]:
        return [occupant.row * self._beams + beam for occupant in occupants for beam in range(self._beams)]
