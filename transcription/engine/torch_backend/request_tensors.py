"""Turns requests into tensors: the columns of the slots' state, and the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from whisper.model import ModelDimensions

from transcription.engine.beam_search import NO_TIMESTAMP
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.types import WINDOW_SECONDS
from transcription.engine.whisper_vocabulary import WhisperVocabulary

PROMPT_BUCKETS = (32, 64, 128, 256)
"""Lengths to which prompts are padded, so that few shapes occur."""


class RequestTensors:
    """Validates requests and builds their tensors. Never waits for the device."""

    def __init__(self, dims: ModelDimensions, vocabulary: WhisperVocabulary, device: torch.device) -> None:
        self._dims = dims
        self._vocabulary = vocabulary
        self._device = device
        self._masks: dict[tuple[int, ...], Tensor] = {}

    def check(self, request: DecodeRequest) -> None:
        """Raises ValueError for a request that cannot be decoded."""
        tokens, sot_index = request.start.tokens, request.start.sot_index
        most, state = int(self._dims.n_audio_ctx), int(self._dims.n_audio_state)
        shape = tuple(request.encoding.shape)
        if len(shape) != 2 or not 0 < shape[0] <= most or shape[1] != state:
            raise ValueError(f"an encoding has the shape {(most, state)}, or fewer positions, not {shape}")
        if not 0 <= sot_index < len(tokens) or tokens[sot_index] != self._vocabulary.sot:
            raise ValueError("there is no <|startoftranscript|> at sot_index")
        if len(tokens) > self._dims.n_text_ctx:
            raise ValueError(f"{len(tokens)} start tokens are more than the context of {self._dims.n_text_ctx}")
        if request.temperature < 0 or (request.max_tokens is not None and request.max_tokens < 1):
            raise ValueError("temperature must not be negative, and max_tokens must be positive")

    def columns(self, requests: Sequence[DecodeRequest]) -> dict[str, Tensor]:
        """Returns the initial state of slots with these requests, by column of SlotState, on the device."""
        starts = [request.start for request in requests]
        return {
            "tokens": self._table([start.tokens for start in starts], self._dims.n_text_ctx + 1),
            "position": self._column([start.sot_index for start in starts]),
            "audio": self._column([len(request.encoding) for request in requests]),
            "start": self._column([len(start.tokens) for start in starts]),
            "end": self._column([self.end_of(request) for request in requests]),
            "sot_index": self._column([start.sot_index for start in starts]),
            "running": self._column([True] * len(requests)),
            "temperature": self._column([request.temperature for request in requests]),
            "seed": self._column([request.seed for request in requests]),
            "sum_logprob": self._column([0.0] * len(requests)),
            "no_speech": self._column([0.0] * len(requests)),
            "timestamp": self._column([self._before_first(request) for request in requests]),
            "last_initial": self._column([self._last_initial(request) for request in requests]),
            "suppressed": torch.stack([self._suppressed(request) for request in requests]),
        }

    def prompts(self, requests: Sequence[DecodeRequest]) -> Tensor | None:
        """Returns the tokens before <|startoftranscript|>, (requests, bucket), padded; None if there are none.

        Only these are prefilled: the start tokens are fed by the steps, for which a graph exists.
        """
        prompts = [request.start.tokens[: request.start.sot_index] for request in requests]
        longest = max(map(len, prompts), default=0)
        if not longest:
            return None
        width = next((bucket for bucket in PROMPT_BUCKETS if bucket >= longest), self._dims.n_text_ctx)
        return self._table(prompts, min(width, self._dims.n_text_ctx))

    def end_of(self, request: DecodeRequest) -> int:
        """Returns the most tokens in all: openai-whisper samples 224, and stops at one more than the context."""
        context = int(self._dims.n_text_ctx)
        return min(len(request.start.tokens) + (request.max_tokens or context // 2), context + 1)

    def rows(self, rows: Sequence[int]) -> Tensor:
        return self._column(rows)

    def _before_first(self, request: DecodeRequest) -> int:
        """Returns the token that the first timestamp must exceed."""
        first = request.first_timestamp
        return NO_TIMESTAMP if first is None else self._vocabulary.timestamp_begin + first - 1

    def _last_initial(self, request: DecodeRequest) -> int:
        first = request.first_timestamp
        one_second = round(int(self._dims.n_audio_ctx) / WINDOW_SECONDS)
        return self._vocabulary.timestamp_begin + (one_second if first is None else first)

    def _suppressed(self, request: DecodeRequest) -> Tensor:
        """Returns the mask of the tokens that are never sampled, (vocabulary,); masks are cached."""
        tokens = self._vocabulary.suppressed if request.suppressed is None else request.suppressed
        tokens = (*tokens, self._vocabulary.no_timestamps)
        if tokens not in self._masks:
            mask = torch.zeros(self._vocabulary.size, dtype=torch.bool)
            mask[list(tokens)] = True
            self._masks[tokens] = self._uploaded(mask)
        return self._masks[tokens]

    def _table(self, rows: Sequence[Sequence[int]], width: int) -> Tensor:
        return self._column([[*row, *[self._vocabulary.eot] * (width - len(row))] for row in rows])

    def _column(self, values: Sequence[Any]) -> Tensor:
        return self._uploaded(torch.tensor(values))

    def _uploaded(self, tensor: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return tensor
        # A copy from pageable memory would wait for every queued step.
        return tensor.pin_memory().to(self._device, non_blocking=True)
