"""Chooses a token from filtered logits."""

from __future__ import annotations

import torch
from torch import Tensor

from transcription.engine.torch_backend.state import SlotState

WORD = 0xFFFFFFFF
RESOLUTION = 23
"""Bits of a uniform number: as many as float32 holds exactly after half a unit is added."""


def choose(logits: Tensor, state: SlotState, sampled: bool) -> Tensor:
    """Returns the next token of each row, (rows,).

    logits: float32, (rows, vocabulary). sampled: whether the temperature of any row is above 0; the other rows get
    their likeliest token.

    A row is sampled by the Gumbel-max trick: argmax(logits / temperature + noise) has the
    distribution softmax(logits / temperature).
    """
    likeliest = logits.argmax(dim=-1)
    if not sampled:
        return likeliest
    warm = state.temperature > 0
    temperature = torch.where(warm, state.temperature, 1.0)
    noise = gumbel(state.seed, state.position, logits.shape[-1])
    drawn = (logits / temperature[:, None] + noise).argmax(dim=-1)
    return torch.where(warm, drawn, likeliest)


def gumbel(seeds: Tensor, positions: Tensor, size: int) -> Tensor:
    """Returns standard Gumbel noise, float32, (rows, size), which depends on the arguments only.

    A counter-based generator has no state, so that a window's text does not depend on the other windows in the batch,
    and that a CUDA graph can hold it.
    """
    # -log(-log(u)) with u in the open interval (0, 1)
    return -torch.log(-torch.log(uniform(seeds, positions, size)))


def uniform(seeds: Tensor, positions: Tensor, size: int) -> Tensor:
    """Returns numbers in the open interval (0, 1), float32, (rows, size)."""
    low = _mixed((seeds & WORD) ^ 0x9E3779B9)
    high = _mixed(((seeds >> 32) & WORD) ^ (positions * 0x85EBCA6B & WORD))
    index = torch.arange(size, device=seeds.device)
    bits = _mixed(_mixed(index ^ low[:, None]) ^ high[:, None])
    return ((bits >> (32 - RESOLUTION)).float() + 0.5) * 2.0**-RESOLUTION


def _mixed(x: Tensor) -> Tensor:
    """Maps 32-bit words, stored as int64, one to one to others with low bias.

    "lowbias32" of Chris Wellons' hash prospector, https://nullprogram.com/blog/2018/07/31/.
    """
    x = (x ^ (x >> 16)) * 0x7FEB352D & WORD
    x = (x ^ (x >> 15)) * 0x846CA68B & WORD
    return x ^ (x >> 16)
