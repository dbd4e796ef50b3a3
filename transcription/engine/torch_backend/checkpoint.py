"""Reads a checkpoint of openai-whisper for a conversion, under the names that Transformers gives its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from whisper.tokenizer import get_encoding

OF_OPENAI = (
    ("token_embedding", "embed_tokens"),
    ("positional_embedding", "embed_positions.weight"),
    ("blocks", "layers"),
    ("cross_attn", "encoder_attn"),
    ("encoder_attn_ln", "encoder_attn_layer_norm"),
    ("attn_ln", "self_attn_layer_norm"),
    (".attn.", ".self_attn."),
    (".query", ".q_proj"),
    (".key", ".k_proj"),
    (".value", ".v_proj"),
    (".out.", ".out_proj."),
    ("mlp_ln", "final_layer_norm"),
    ("mlp.0", "fc1"),
    ("mlp.2", "fc2"),
    ("encoder.ln_post", "encoder.layer_norm"),
    ("decoder.ln.", "decoder.layer_norm."),
)
"""Parts of openai-whisper's names, and what stands for them in Transformers: replaced in this order, or back from the
last one on."""


class NoCheckpoint(Exception):
    """A file that is none of openai-whisper's."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight in memory."""

    tensor: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    def read(self) -> NDArray[np.float16]:
        half: NDArray[np.float16] = self.tensor.float().numpy().astype(np.float16)
        return half


def read(file: Path) -> Mapping[str, Weight]:
    """Raises NoCheckpoint. Nothing in the file is executed."""
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
        return {_of_transformers(key): Weight(tensor) for key, tensor in found["model_state_dict"].items()}
    except Exception as error:
        raise NoCheckpoint(str(error).splitlines()[0] if str(error) else repr(error)) from error


def text_tokens(is_multilingual: bool, letters: Mapping[int, str]) -> dict[str, int]:
    """Returns the tokens of text that openai-whisper's package has, spelt with a letter for each byte."""
    ranks = get_encoding("multilingual" if is_multilingual else "gpt2")._mergeable_ranks
    return {"".join(map(letters.__getitem__, token)): rank for token, rank in ranks.items()}


def of_openai(name: str) -> str:
    """Returns openai-whisper's name of what Transformers calls `name`."""
    for part, other in reversed(OF_OPENAI):
        name = name.replace(other, part)
    return name


def _of_transformers(name: str) -> str:
    for part, other in OF_OPENAI:
        name = name.replace(part, other)
    return name
