"""Applies openai-whisper's logit filters to all slots at once, without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from transcription.engine.torch_backend.state import SlotState
from transcription.engine.whisper_vocabulary import WhisperVocabulary


class LogitRules:
    """SuppressBlank, SuppressTokens and ApplyTimestampRules of whisper.decoding 20250625."""

    def __init__(self, vocabulary: WhisperVocabulary, device: torch.device) -> None:
        self._eot = vocabulary.eot
        self._begin = vocabulary.timestamp_begin
        self._stamps = torch.arange(vocabulary.timestamp_begin, vocabulary.size, device=device)

    def __call__(self, logits: Tensor, state: SlotState, newest: Tensor) -> None:
        """Sets the logits of tokens that must not be sampled to minus infinity, in place.

        logits: float32, (rows, vocabulary). newest: the tokens that were just fed, (rows,). The result of a slot that
        is still at its start tokens is not used.
        """
        logits.masked_fill_(state.suppressed, -torch.inf)
        sampled = state.position + 1 - state.start
        # A timestamp comes first, so that no blank text can.
        text, stamps = logits[:, : self._begin], logits[:, self._begin :]
        first = sampled <= 0
        previous = state.tokens.gather(1, (state.position - 1).clamp_min(0)[:, None])[:, 0]
        last = (sampled >= 1) & (newest >= self._begin)
        penultimate = (sampled < 2) | (previous >= self._begin)
        opened, closed = last & penultimate, last & ~penultimate
        # A pair's second half may equal its first; a new pair must begin later than the last ended.
        floor = torch.where(closed, state.timestamp, state.timestamp + 1)
        forbidden = opened[:, None] | (self._stamps < floor[:, None])
        forbidden |= first[:, None] & (self._stamps > state.last_initial[:, None])
        stamps.masked_fill_(forbidden, -torch.inf)
        logits[:, : self._eot].masked_fill_(closed[:, None], -torch.inf)
        # openai-whisper compares log-probabilities: the same logits, less one constant.
        likelier = stamps.logsumexp(dim=-1) > text.amax(dim=-1)
        text.masked_fill_((first | likelier)[:, None], -torch.inf)
