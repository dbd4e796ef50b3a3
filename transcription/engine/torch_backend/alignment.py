"""Times the words of decoded windows from the alignment heads of the cross-attention, as whisper.timing does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from whisper.audio import TOKENS_PER_SECOND
from whisper.tokenizer import Tokenizer

from transcription.engine.backend import WordTiming
from transcription.engine.torch_backend.attention import attend, cross_keys_values, merge_heads, split_heads
from transcription.engine.torch_backend.parameters import DecoderLayer, Parameters
from transcription.engine.torch_backend.vocabulary import tokenizer_of
from transcription.engine.warping import dtw

FILTER_WIDTH = 7


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


class Aligner:
    """Runs the decoder a second time, over the whole texts of several windows at once, to time their words."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._heads = parameters.dims.n_text_head
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
        spoken = [window for window in windows if window.text]
        timed = iter(self._aligned(spoken)) if spoken else iter(())
        return [next(timed) if window.text else [] for window in windows]

    def _aligned(self, windows: Sequence[AlignmentRequest]) -> list[list[WordTiming]]:
        dims = self._parameters.dims
        tokenizers = [tokenizer_of(dims, window.language, window.task) for window in windows]
        sequences = [
            [*tokenizer.sot_sequence, tokenizer.no_timestamps, *window.text, tokenizer.eot]
            for tokenizer, window in zip(tokenizers, windows, strict=True)
        ]
        longest = max(map(len, sequences))
        if longest > dims.n_text_ctx:
            raise ValueError(f"{longest} tokens are more than the context of {dims.n_text_ctx}")
        # Padding comes last, where the causal mask hides it from the rest.
        padded = [[*sequence, *[sequence[-1]] * (longest - len(sequence))] for sequence in sequences]
        tokens = torch.tensor(padded, device=self._parameters.device)
        logits, scores = self._run(tokens, torch.stack([window.encoding for window in windows]))
        return [
            _words(tokenizer, window, logits[number], scores[number])
            for number, (tokenizer, window) in enumerate(zip(tokenizers, windows, strict=True))
        ]

    def _run(self, tokens: Tensor, encodings: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits, (batch, length, vocabulary), and the scores of the alignment heads before their softmax,
        (batch, alignment heads, length, 1500), both in float32."""
        parameters = self._parameters
        x = parameters.embedding[tokens] + parameters.text_positions[: tokens.shape[1]]
        scores: dict[tuple[int, int], Tensor] = {}
        for number, layer in enumerate(parameters.decoder):
            x, found = self._layer(layer, x, encodings, self._alignment_heads.get(number))
            heads = [head for at, head in parameters.alignment_heads if at == number]
            scores |= {(number, head): found[:, index] for index, head in enumerate(heads)}
        logits = (parameters.text_norm(x) @ parameters.embedding.T).float()
        return logits, torch.stack([scores[head] for head in parameters.alignment_heads], dim=1)

    def _layer(self, layer: DecoderLayer, x: Tensor, encodings: Tensor, heads: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the output and the scores of some heads, (batch, heads, length, positions); none without `heads`."""
        own, cross = layer.attention, layer.cross
        parts = own.qkv(own.norm(x)).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self._heads) for part in parts)
        x = x + own.out(merge_heads(attend(query, key, value, causal=True)))
        query = split_heads(cross.query(cross.norm(x)), self._heads)
        key, value = cross_keys_values(cross, encodings, self._heads)
        scale = float(query.shape[-1]) ** -0.25
        if heads is None:
            scores = x.new_empty(0)
        else:
            few_queries, few_keys = (part.index_select(1, heads) * scale for part in (query, key))
            scores = (few_queries @ few_keys.transpose(-1, -2)).float()
        x = x + cross.out(merge_heads(attend(query, key, value)))
        return layer.mlp(x), scores


def median_filter(x: Tensor, width: int = FILTER_WIDTH) -> Tensor:
    """Returns the median over `width` neighbours, an odd number, in the last dimension, reflected at its ends.

    x: (..., frames) of 3 or 4 dimensions; returned unchanged if it has too few frames to reflect.
    """
    half = width // 2
    if x.shape[-1] <= half:
        return x
    reflected = F.pad(x, (half, half), mode="reflect")
    return reflected.unfold(-1, width, 1).sort()[0][..., half]


def _words(tokenizer: Tokenizer, window: AlignmentRequest, logits: Tensor, scores: Tensor) -> list[WordTiming]:
    """Returns a window's words. logits: (length, vocabulary); scores: (alignment heads, length, 1500); both padded."""
    length = len(tokenizer.sot_sequence) + 1 + len(window.text) + 1
    words, word_tokens = tokenizer.split_to_word_tokens([*window.text, tokenizer.eot])
    if len(word_tokens) <= 1:
        return []
    bounds = np.pad(np.cumsum([len(tokens) for tokens in word_tokens[:-1]]), (1, 0))
    matrix = _attention(scores[:, :length, : max(1, window.frames // 2)])[len(tokenizer.sot_sequence) : -1]
    times = _jump_times(matrix.double().cpu().numpy())
    probabilities = _probabilities(logits[len(tokenizer.sot_sequence) : length - 2, : tokenizer.eot], window.text)
    return [
        WordTiming(word, tokens, float(times[begin]), float(times[end]), float(np.mean(probabilities[begin:end])))
        for word, tokens, begin, end in zip(words[:-1], word_tokens[:-1], bounds[:-1], bounds[1:], strict=True)
    ]


def _attention(scores: Tensor) -> Tensor:
    """Returns the normalised and filtered attention of scores, (heads, tokens, frames), as the heads' mean."""
    weights = scores.softmax(dim=-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    return median_filter((weights - mean) / deviation).mean(dim=0)


def _jump_times(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the seconds at which the path reaches each token. matrix: (tokens, frames)."""
    tokens, frames = dtw(-matrix)
    jumps = np.pad(np.diff(tokens), (1, 0), constant_values=1).astype(bool)
    seconds: NDArray[np.float64] = frames[jumps] / TOKENS_PER_SECOND
    return seconds


def _probabilities(logits: Tensor, text: tuple[int, ...]) -> list[float]:
    """Returns the probability of each token among those below <|endoftext|>. logits: (len(text), eot)."""
    index = torch.tensor(text, device=logits.device)[:, None]
    probabilities: list[float] = logits.softmax(dim=-1).gather(1, index)[:, 0].tolist()
    return probabilities
