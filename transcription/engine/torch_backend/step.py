"""One step of every slot on the device: feeds a token and chooses the next one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from transcription.engine.torch_backend.rules import LogitRules
from transcription.engine.torch_backend.sampling import choose
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.text_decoder import TextDecoder
from transcription.engine.whisper_vocabulary import WhisperVocabulary


@dataclass(frozen=True, slots=True)
class StepShape:
    """The shapes and operations of a step.

    rows: how many of the first slots it computes. context: how many positions of the cache it reads. sampled: whether
    the temperature of any slot is above 0. audio: how many positions of encodings it reads, some of which may be
    shorter; None where all are whole.
    """

    rows: int
    context: int
    sampled: bool
    audio: int | None = None


class Step:
    """Runs the text decoder, applies the logit rules, chooses a token and updates the state.

    A slot that is at its start tokens is fed the next of them instead of the chosen token. A slot that is not running
    repeats its last position, which changes nothing. Shapes and buffers are static and nothing waits for the device,
    so that a CUDA graph can hold a step.
    """

    def __init__(self, decoder: TextDecoder, state: SlotState, vocabulary: WhisperVocabulary) -> None:
        self._decoder = decoder
        self._state = state
        self._vocabulary = vocabulary
        self._rules = LogitRules(vocabulary, state.tokens.device)

    def __call__(self, shape: StepShape) -> None:
        state = self._state.head(shape.rows)
        newest = state.tokens.gather(1, state.position[:, None])[:, 0]
        # A free slot may have stopped beyond the part of the cache that is read.
        position = state.position.clamp_max(shape.context - 1)
        mask = None if shape.audio is None else self._decoder.audio_mask(state.audio, shape.audio)
        logits = self._decoder.step(newest, position, shape.context, mask)
        self._read_no_speech(state, logits)
        self._rules(logits, state, newest)
        chosen = choose(logits, state, shape.sampled)
        # log_softmax of the filtered logits, of one token only
        logprob = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)
        self._advance(state, chosen, logprob)

    def _read_no_speech(self, state: SlotState, logits: Tensor) -> None:
        probability = (logits[:, self._vocabulary.no_speech] - logits.logsumexp(dim=-1)).exp()
        at_sot = state.position == state.sot_index
        state.no_speech.copy_(torch.where(at_sot, probability, state.no_speech))

    def _advance(self, state: SlotState, chosen: Tensor, logprob: Tensor) -> None:
        """Appends the tokens, and stops the slots that are done."""
        following = (state.position + 1)[:, None]
        sampling = state.running & (state.position + 1 >= state.start)
        token = torch.where(sampling, chosen, state.tokens.gather(1, following)[:, 0])
        state.tokens.scatter_(1, following, token[:, None])
        state.sum_logprob.add_(torch.where(sampling, logprob, 0.0))
        stamped = sampling & (token >= self._vocabulary.timestamp_begin)
        state.timestamp.copy_(torch.where(stamped, token, state.timestamp))
        full = state.position + 2 >= state.end
        state.running.logical_and_(~(sampling & (full | (token == self._vocabulary.eot))))
        state.position.add_(state.running)
