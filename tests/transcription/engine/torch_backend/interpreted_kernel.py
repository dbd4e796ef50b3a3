"""Runs the kernel of 8-bit keys and values in Triton's interpreter: `TRITON_INTERPRET=1 python -m` and this module.

A line for each of SHAPES: the largest difference to what torch computes in float64, over the largest result. A line
for TRIAL. In a
process of its own, as the interpreter is chosen when Triton is imported.
"""

from __future__ import annotations

import torch
from torch import Tensor

from transcription.engine.torch_backend.int8 import attend_eagerly, is_right, quantised

SHAPES: dict[str, tuple[int, int, int, int, int, torch.dtype]] = {
    "one of each": (1, 1, 1, 1, 64, torch.float32),
    "some of the positions, in half precision": (3, 2, 1, 700, 64, torch.float16),
    "beams, and a position more than a block": (2, 3, 5, 129, 32, torch.float32),
    "a block and no more": (2, 1, 2, 128, 64, torch.float16),
    "all of large-v3's positions": (1, 2, 1, 1500, 64, torch.float32),
}
"""Rows, heads, queries, positions, width, and the type of queries."""

TRIAL = "the trial at the start"
"""Whether it passes, 1 or 0."""

MASKED = {"beams, and a position more than a block", "a block and no more"}


def arguments(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Returns a query that is transposed, as the model's, and the first positions of longer keys and values."""
    rows, heads, queries, positions, width, dtype = SHAPES[name]
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(rows, queries, heads, width, generator=generator).to(dtype).transpose(1, 2)
    whole = torch.randn(2, rows, heads, positions + 7, width, generator=generator) * 3
    keys, key_scales, values, value_scales = (
        part[:, :, :positions] for part in (*quantised(whole[0]), *quantised(whole[1]))
    )
    mask = None
    if name in MASKED:
        # All but one position of the first row, and nothing of the last one.
        mask = torch.zeros(rows, 1, 1, positions, dtype=dtype)
        mask[0, :, :, 1:] = -torch.inf
    return query, keys, key_scales, values, value_scales, mask


def main() -> None:
    from transcription.engine.torch_backend.int8_kernel import attend_by_kernel

    for name in SHAPES:
        query, *rest = arguments(name)
        found = attend_by_kernel(query, *rest)  # type: ignore[arg-type]
        expected = attend_eagerly(query.double(), *rest)  # type: ignore[arg-type]
        difference = (found.double() - expected).abs().max() / expected.abs().max()
        print(f"{name}: {difference.item()}")
    print(f"{TRIAL}: {int(is_right(torch.device('cpu'), 3, True) and is_right(torch.device('cpu'), 1, False))}")


if __name__ == "__main__":
    main()
