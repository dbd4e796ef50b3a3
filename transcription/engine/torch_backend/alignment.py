"""Times the words of decoded windows from the alignment heads of the cross-attention, as whisper.timing does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from transcription.engine.backend import WordTiming
from transcription.engine.median import WIDTH, median_of_seven
from transcription.engine.torch_backend.attention import cross_keys_values, merge_heads, split_heads
from transcription.engine.torch_backend.memory import ALIGNED_ROWS, ALIGNED_TOKENS, ALIGNED_WINDOWS, SCORE_ROWS
from transcription.engine.torch_backend.parameters import DecoderLayer, Parameters
from transcription.engine.torch_backend.vocabulary import vocabulary_of
from transcription.engine.torch_backend.warping import arrivals, compiled_dtw
from transcription.engine.word_timing import split, timings


@dataclass(frozen=True, slots=True, eq=False)
class AlignmentRequest:
    """A decoded window whose words are to be timed.

    encoding: (positions, state), as many in all windows of a call. text: its tokens, timestamps and specials left out.
    frames: of 10 ms of audio in the window, at most 3000.
    """

    encoding: Tensor
    text: tuple[int, ...]
    frames: int
    language: str | None = "en"
    task: str = "transcribe"

    @property
    def positions(self) -> int:
        """Of the encoding that hold sound, at least one."""
        return max(1, self.frames // 2)


_Spoken = tuple[AlignmentRequest, list[int]]
"""A window and the tokens of its whole text."""


class Aligner:
    """Runs the decoder a second time, over the whole texts of several windows at once, to time their words.

    What it takes on the device at once is bounded, whatever the windows (memory.py).
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._vocabulary = vocabulary_of(parameters.dims)
        self._heads = parameters.dims.n_text_head
        compiled_dtw()  # now, while a model is opened anyway
        device = parameters.device
        # On the device once: a list as an index is copied there in each layer, which waits for all queued work.
        self._alignment_heads = {
            layer: torch.tensor([head for at, head in parameters.alignment_heads if at == layer], device=device)
            for layer in {layer for layer, _ in parameters.alignment_heads}
        }

    @torch.inference_mode()
    def __call__(self, windows: Sequence[AlignmentRequest]) -> list[list[WordTiming]]:
        """Returns the words of each window, as whisper.timing.find_alignment does.

        Waits for the device. Raises ValueError for a text that does not fit into the context.
        """
        spoken = [(window, self._sequence(window)) for window in windows if window.text]
        timed = iter([words for some in self._parts(spoken) for words in self._aligned(some)])
        return [next(timed) if window.text else [] for window in windows]

    def _sequence(self, window: AlignmentRequest) -> list[int]:
        """Returns the tokens of the whole text, which end in the end of the text."""
        vocabulary, context = self._vocabulary, int(self._parameters.dims.n_text_ctx)
        start = vocabulary.sequence(window.language, window.task)
        sequence = [*start, vocabulary.no_timestamps, *window.text, vocabulary.eot]
        if len(sequence) > context:
            raise ValueError(f"{len(sequence)} tokens are more than the context of {context}")
        return sequence

    def _parts(self, windows: Sequence[_Spoken]) -> Iterator[Sequence[_Spoken]]:
        """Yields as many windows at a time as there is memory for."""
        begin, longest = 0, 0
        for at, (_, sequence) in enumerate(windows):
            longest = max(longest, len(sequence))
            rows = (at + 1 - begin) * longest * len(self._parameters.alignment_heads)
            if at > begin and (rows > SCORE_ROWS or at - begin == ALIGNED_WINDOWS):
                yield windows[begin:at]
                begin, longest = at, len(sequence)
        if windows:
            yield windows[begin:]

    def _aligned(self, windows: Sequence[_Spoken]) -> list[list[WordTiming]]:
        longest = max(len(sequence) for _, sequence in windows)
        # Padding comes last, where the causal mask hides it from the rest.
        padded = [[*sequence, *[sequence[-1]] * (longest - len(sequence))] for _, sequence in windows]
        tokens = torch.tensor(padded, device=self._parameters.device)
        states, scores = self._run(tokens, torch.stack([window.encoding for window, _ in windows]))
        found = []
        for (window, sequence), own, seen in zip(windows, states, scores, strict=True):
            # A token's state foretells the next one: that of no_timestamps the first one of the text.
            told = slice(len(sequence) - len(window.text) - 2, len(sequence) - 2)
            chances = self._chances(own[told], torch.tensor(window.text, device=own.device))
            weights = attention(seen[:, : len(sequence), : window.positions])[told.start : -1]
            found.append((window, (-weights).cpu().numpy(), chances.tolist()))
        return [self._words(*entry) for entry in found]

    def _words(self, window: AlignmentRequest, cost: NDArray[np.float32], chances: list[float]) -> list[WordTiming]:
        """Returns a window's words. cost: (len(text) + 1, positions). chances: of each token."""
        words = split(window.text, window.language, self._vocabulary)
        return timings(words, arrivals(cost).tolist(), chances)

    def _chances(self, states: Tensor, text: Tensor) -> Tensor:
        """Returns the probability of each token of a text among those below <|endoftext|>.

        states: (tokens, state), of the token before each.
        """
        embedding = self._parameters.embedding[: self._vocabulary.eot]
        parts = zip(torch.split(states, ALIGNED_TOKENS), torch.split(text, ALIGNED_TOKENS), strict=True)
        found = [(state @ embedding.T).float().softmax(-1).gather(1, tokens[:, None])[:, 0] for state, tokens in parts]
        return torch.cat(found)

    def _run(self, tokens: Tensor, encodings: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what the last layer makes of the tokens, (batch, length, state), and the scores of the alignment
        heads before their softmax, float32 (batch, alignment heads, length, positions)."""
        parameters = self._parameters
        x = parameters.embedding[tokens] + parameters.text_positions[: tokens.shape[1]]
        scores: dict[tuple[int, int], Tensor] = {}
        for number, layer in enumerate(parameters.decoder):
            x, found = self._layer(layer, x, encodings, self._alignment_heads.get(number))
            heads = [head for at, head in parameters.alignment_heads if at == number]
            scores |= {(number, head): found[:, index] for index, head in enumerate(heads)}
        return parameters.text_norm(x), torch.stack([scores[head] for head in parameters.alignment_heads], dim=1)

    def _layer(self, layer: DecoderLayer, x: Tensor, encodings: Tensor, heads: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the output and the scores of some heads, (batch, heads, length, positions); none without `heads`."""
        own, cross = layer.attention, layer.cross
        parts = own.qkv(own.norm(x)).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self._heads) for part in parts)
        x = x + own.out(merge_heads(F.scaled_dot_product_attention(query, key, value, is_causal=True)))
        query = split_heads(cross.query(cross.norm(x)), self._heads)
        key, value = cross_keys_values(cross, encodings, self._heads)
        scale = float(query.shape[-1]) ** -0.25
        if heads is None:
            scores = x.new_empty(0)
        else:
            few_queries, few_keys = (part.index_select(1, heads) * scale for part in (query, key))
            scores = (few_queries @ few_keys.transpose(-1, -2)).float()
        x = x + cross.out(merge_heads(F.scaled_dot_product_attention(query, key, value)))
        return layer.mlp(x), scores


def median_filter(x: Tensor) -> Tensor:
    """Returns the median over seven neighbours in the last dimension, reflected at its ends.

    x: (..., frames) of 3 or 4 dimensions; returned unchanged if it has too few frames to reflect.
    """
    frames = x.shape[-1]
    if frames <= WIDTH // 2:
        return x
    reflected = F.pad(x, (WIDTH // 2, WIDTH // 2), mode="reflect")
    shifted = [reflected[..., at : at + frames] for at in range(WIDTH)]
    return median_of_seven(shifted, torch.fmin, torch.maximum)


def attention(scores: Tensor) -> Tensor:
    """Returns the normalised and filtered attention of scores, (heads, tokens, frames), as the heads' mean."""
    weights = scores.softmax(dim=-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    # A few tokens at a time: the filter holds seven of what it is given, and more.
    parts = torch.split((weights - mean) / deviation, max(1, ALIGNED_ROWS // len(scores)), dim=1)
    return torch.cat([median_filter(part).mean(dim=0) for part in parts])
