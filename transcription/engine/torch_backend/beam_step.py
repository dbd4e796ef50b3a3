"""One step of every beam: a token goes in, the likeliest next ones come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from transcription.engine.beam_search import StepInput
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.rules import LogitRules
from transcription.engine.torch_backend.state import SlotState
from transcription.engine.torch_backend.step import StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder
from transcription.engine.whisper_vocabulary import WhisperVocabulary

PREVIOUS, NEWEST, POSITION, TIMESTAMP = range(4)


class BeamStep:
    """Embedding, layers, rules and the best candidates, with static shapes and buffers.

    inputs: int64, (4, rows), what the host says about each beam. found: float32, (rows, 1 + 2 *
    candidates), the chance of no speech, then log-probabilities, then tokens, which float32 holds
    exactly: one copy brings everything to the host.

    Nothing here waits for the device.
    """

    def __init__(
        self, parameters: Parameters, decoder: TextDecoder, vocabulary: WhisperVocabulary, rows: int, candidates: int
    ) -> None:
        device, context = parameters.device, parameters.dims.n_text_ctx
        self._decoder = decoder
        self._vocabulary = vocabulary
        self._candidates = candidates
        self._beams = candidates - 1
        self._rules = LogitRules(vocabulary, device)
        self.inputs = torch.zeros((4, rows), dtype=torch.long, device=device)
        self.found = torch.zeros((rows, 1 + 2 * candidates), device=device)
        # Of the state, the rules read what admission writes and what comes in.
        state = SlotState.of(rows, context, vocabulary, device)
        self.state = replace(state, position=self.inputs[POSITION], timestamp=self.inputs[TIMESTAMP])

    def __call__(self, shape: StepShape) -> None:
        """Decodes one position and finds each beam's best candidates.

        shape: rows are beams, all of whole windows; nothing is sampled.
        """
        previous, newest, position, _ = self.inputs[:, : shape.rows]
        state = self.state.head(shape.rows)
        audio = state.audio[:: self._beams]
        mask = None if shape.audio is None else self._decoder.audio_mask(audio, shape.audio)
        logits = self._decoder.step(newest, position, shape.context, mask)
        no_speech = (logits[:, self._vocabulary.no_speech] - logits.logsumexp(dim=-1)).exp()
        state.tokens.scatter_(1, (position - 1).clamp_min(0)[:, None], previous[:, None])
        self._rules(logits, state, newest)
        logprobs, tokens = logits.log_softmax(dim=-1).topk(self._candidates)
        self.found[: shape.rows].copy_(torch.cat([no_speech[:, None], logprobs, tokens.float()], dim=1))


class Candidates:
    """The host's end of a step: what goes to the device and what comes back.

    The CUDA half (pinned memory, events) HAS NOT RUN on a GPU yet.
    """

    def __init__(self, step: BeamStep) -> None:
        self._step = step
        self._cuda = step.inputs.is_cuda
        self._inputs = torch.zeros(step.inputs.shape, dtype=torch.long, pin_memory=self._cuda)
        self._found = torch.zeros(step.found.shape, pin_memory=self._cuda)
        self._event = torch.cuda.Event() if self._cuda else None  # type: ignore[no-untyped-call]

    @property
    def ready(self) -> bool:
        """Whether `read` would not wait."""
        return self._event is None or bool(self._event.query())  # type: ignore[no-untyped-call]

    def send(self, beams: Sequence[StepInput | None]) -> None:
        """Sends the input of each row to the device; None for a row without a window."""
        if self._event is not None:
            # A copy out of this memory may be under way.
            self._event.synchronize()
        rows = self._inputs.numpy()
        for row, beam in enumerate(beams):
            rows[:, row] = (0, 0, 0, 0) if beam is None else (beam.previous, beam.newest, beam.position, beam.timestamp)
        self._step.inputs.copy_(self._inputs, non_blocking=self._cuda)
        self._record()

    def fetch(self) -> None:
        """Starts the copy of what the step found to the host."""
        self._found.copy_(self._step.found, non_blocking=self._cuda)
        self._record()

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Waits for the step. Returns no-speech (rows,), and log-probabilities and tokens (rows, candidates)."""
        if self._event is not None:
            self._event.synchronize()
        found = self._found.numpy()
        candidates = found.shape[1] // 2
        logprobs, tokens = found[:, 1 : 1 + candidates], found[:, 1 + candidates :]
        return found[:, 0].copy(), logprobs.copy(), tokens.astype(np.int64)

    def _record(self) -> None:
        if self._event is not None:
            self._event.record()
