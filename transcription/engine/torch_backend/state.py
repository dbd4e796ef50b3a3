"""The state of the slots, as tensors on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from transcription.engine.beam_search import NO_TIMESTAMP
from transcription.engine.whisper_vocabulary import WhisperVocabulary


@dataclass(frozen=True, slots=True)
class SlotState:
    """One row for every slot; all are written in place and never moved.

    tokens: (rows, 449), start tokens and then what was sampled.
    position: of the newest token, which the next step feeds. start: how many start tokens
    there are. end: how many tokens there may be in all. audio: positions of the encoding.
    timestamp: the last one sampled, or -1. last_initial: the greatest token that may come first.
    """

    tokens: Tensor
    position: Tensor
    start: Tensor
    end: Tensor
    audio: Tensor
    sot_index: Tensor
    running: Tensor
    temperature: Tensor
    seed: Tensor
    sum_logprob: Tensor
    no_speech: Tensor
    timestamp: Tensor
    last_initial: Tensor
    suppressed: Tensor

    @classmethod
    def of(cls, rows: int, context: int, vocabulary: WhisperVocabulary, device: torch.device) -> SlotState:
        """Returns the state of `rows` empty slots."""

        def zeros(*shape: int, dtype: torch.dtype = torch.long) -> Tensor:
            return torch.zeros(rows, *shape, dtype=dtype, device=device)

        return cls(
            tokens=zeros(context + 1),
            position=zeros(),
            start=zeros() + 1,
            end=zeros() + 1,
            audio=zeros() + 1,
            sot_index=zeros() - 1,
            running=zeros(dtype=torch.bool),
            temperature=zeros(dtype=torch.float32),
            seed=zeros(),
            sum_logprob=zeros(dtype=torch.float32),
            no_speech=zeros(dtype=torch.float32),
            timestamp=zeros() + NO_TIMESTAMP,
            last_initial=zeros() + vocabulary.size,
            suppressed=zeros(vocabulary.size, dtype=torch.bool),
        )

    def head(self, rows: int) -> SlotState:
        """Returns the first rows as views."""
        return SlotState(**{field.name: getattr(self, field.name)[:rows] for field in fields(self)})

    def write(self, rows: Tensor, values: Mapping[str, Any]) -> None:
        """Sets some columns, given by name, of some rows. values: (len(rows), ...) each."""
        for name, value in values.items():
            column: Tensor = getattr(self, name)
            column.index_copy_(0, rows, value.to(column.dtype))

    def move(self, source: int, target: int) -> None:
        """Copies a row over another one."""
        for field in fields(self):
            column: Tensor = getattr(self, field.name)
            column[target].copy_(column[source])

    def stop(self, row: int) -> None:
        self.running[row].fill_(False)
