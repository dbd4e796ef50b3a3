"""How fast a device could decode at best: its speed at plain kernels, and what a window needs.

A decoder step reads every weight once for the whole batch, and for each window the keys and
values of its cross-attention; encoding a window is matrix products. Either one after the other,
or, as one is bound by memory and the other by arithmetic, both at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from whisper.model import ModelDimensions

from benchmarks.gpu_device import wait
from benchmarks.gpu_model import Job

REPEATS = 10


@dataclass(frozen=True)
class Roofline:
    """Measured: floating-point operations a second of a large product, bytes a second read and written."""

    flops: float
    bandwidth: float

    def seconds(self, job: Job, batch: int, overlapped: bool) -> float:
        """The least that one window takes, of which `batch` are decoded at once."""
        size = element_bytes(job.device)
        encoder = encoder_flops(job.dims) / self.flops
        decoder = job.steps * (weight_bytes(job.dims, size) / batch + cross_bytes(job.dims, size)) / self.bandwidth
        return max(encoder, decoder) if overlapped else encoder + decoder


def encoder_flops(dims: ModelDimensions) -> float:
    """Of one window, with the keys and values of the decoder's cross-attention: 2.59e12 for large-v3."""
    frames, state = dims.n_audio_ctx, dims.n_audio_state
    convolutions = 2.0 * 3 * state * frames * (2 * dims.n_mels + state)
    layer = 24.0 * frames * state**2 + 4.0 * frames**2 * state
    cross = 4.0 * frames * state * dims.n_text_state
    return float(convolutions + dims.n_audio_layer * layer + dims.n_text_layer * cross)


def weight_bytes(dims: ModelDimensions, size: int) -> float:
    """Of the decoder, as a step reads them: 1.60e9 for large-v3 in fp16."""
    layer = 14.0 * dims.n_text_state**2
    return float(size * (dims.n_text_layer * layer + dims.n_vocab * dims.n_text_state))


def cross_bytes(dims: ModelDimensions, size: int) -> float:
    """Of one window's keys and values: 245.8e6 for large-v3 in fp16."""
    return float(2 * size * dims.n_text_layer * dims.n_audio_ctx * dims.n_text_state)


def element_bytes(device: torch.device) -> int:
    return 2 if device.type == "cuda" else 4


def measured(device: torch.device) -> Roofline:
    cuda = device.type == "cuda"
    side, size = (8192, 1 << 31) if cuda else (512, 1 << 26)
    dtype = torch.float16 if cuda else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    product = torch.empty_like(a)
    source = torch.randn(size // 4, device=device)
    target = torch.empty_like(source)
    return Roofline(
        flops=2.0 * side**3 / _seconds(lambda: torch.mm(a, b, out=product), device),
        bandwidth=2.0 * size / _seconds(lambda: target.copy_(source), device),
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """The median of some runs, each long enough that starting it counts for nothing."""
    times = []
    for _ in range(REPEATS):
        wait(device)
        begin = time.perf_counter()
        for _ in range(4):
            work()
        wait(device)
        times.append((time.perf_counter() - begin) / 4)
    return sorted(times)[REPEATS // 2]
