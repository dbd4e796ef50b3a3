"""Keys and values of a cross-attention in 8 bits, and attention over them.

A position of a head has one scale, so that no position's numbers depend on another's: what hides positions needs no
care, and one that is no number spoils its own window alone. `python -m benchmarks.int8` compares it with a scale for
each channel, which is no better.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor

from transcription.engine.torch_backend.errors import meaning_of

log = logging.getLogger(__name__)

LARGEST = 127
SCALE_TYPE = torch.float16
LEAST_SCALE = 2.0**-14
"""The least normal number of SCALE_TYPE."""


def quantised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns int8 numbers and their scales, float16, whose products are x, (..., width); a scale for each (...)."""
    exact = x.float()
    scales = (exact.abs().amax(dim=-1) / LARGEST).clamp_min(LEAST_SCALE).to(SCALE_TYPE)
    numbers = (exact / scales.float()[..., None]).round_().clamp_(-LARGEST, LARGEST)
    return numbers.to(torch.int8), scales


def restored(numbers: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns the products of numbers, (..., width), and their scales."""
    return (numbers * scales[..., None].float()).to(dtype)


@torch.library.custom_op("whisper_portal::attend_int8", mutates_args=())
def attend(
    query: Tensor, keys: Tensor, key_scales: Tensor, values: Tensor, value_scales: Tensor, mask: Tensor | None
) -> Tensor:
    """Returns softmax(q k / sqrt(width) + mask) v.

    query, result: (rows, heads, queries, width). keys, values: int8, (rows, heads, positions, width); their scales:
    (rows, heads, positions). mask: (rows, 1, 1, positions). On a GPU with Triton it is one kernel.
    """
    return attend_eagerly(query, keys, key_scales, values, value_scales, mask)


@attend.register_kernel("cuda")
def _on_gpu(
    query: Tensor, keys: Tensor, key_scales: Tensor, values: Tensor, value_scales: Tensor, mask: Tensor | None
) -> Tensor:
    from transcription.engine.torch_backend.int8_kernel import attend_by_kernel

    return attend_by_kernel(query, keys, key_scales, values, value_scales, mask)


@attend.register_fake
def _shape(
    query: Tensor, keys: Tensor, key_scales: Tensor, values: Tensor, value_scales: Tensor, mask: Tensor | None
) -> Tensor:
    return query.new_empty(query.shape)


def attend_eagerly(
    query: Tensor, keys: Tensor, key_scales: Tensor, values: Tensor, value_scales: Tensor, mask: Tensor | None
) -> Tensor:
    """Returns what `attend` does, by torch's operations: on a CPU, and to compare the kernel with."""
    # Not in half precision, in which weights times scales have few bits left.
    exact = torch.promote_types(query.dtype, torch.float32)
    scores = (query.to(exact) * float(query.shape[-1]) ** -0.5) @ keys.to(exact).transpose(-1, -2)
    scores *= key_scales.to(exact)[:, :, None]
    weights = (scores if mask is None else scores + mask).softmax(dim=-1)
    weights *= value_scales.to(exact)[:, :, None]
    mixed: Tensor = weights @ values.to(exact)
    return mixed.to(query.dtype)


@cache
def kernel_works() -> bool:
    """Returns whether this process's GPU gives what torch does. Tried once, which compiles the kernel, in seconds.

    Triton needs a C compiler and Python's headers, and is not on every machine. Raises what torch raises where there is
    no memory, and for a device that is lost.
    """
    try:
        works = all(is_right(torch.device("cuda"), queries, masked) for queries in (1, 3) for masked in (False, True))
    except Exception as error:
        if isinstance(error, RuntimeError) and meaning_of(error) != "ours":
            raise
        log.warning("8-bit keys and values are not used: %s: %s", type(error).__name__, error)
        return False
    if not works:
        log.warning("8-bit keys and values are not used: the kernel's result is wrong on this GPU")
    return works


def is_right(device: torch.device, queries: int, masked: bool) -> bool:
    """Returns whether the kernel gives what torch does; eight heads, so that strides are as round as the model's."""
    from transcription.engine.torch_backend.int8_kernel import attend_by_kernel

    rows, heads, positions, width = 2, 8, 200, 64
    generator = torch.Generator(device).manual_seed(queries)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device).half()

    keys, values = noise(2, rows, heads, 1500, width)
    keys, key_scales, values, value_scales = (
        part[:, :, :positions] for part in (*quantised(3 * keys), *quantised(values))
    )
    mask = noise(rows, 1, 1, positions) if masked else None
    query = noise(rows, heads, queries, width)
    found, expected = (
        way(query, keys, key_scales, values, value_scales, mask).float() for way in (attend_by_kernel, attend_eagerly)
    )
    return bool((found - expected).abs().max() <= 0.01 * expected.abs().max())
