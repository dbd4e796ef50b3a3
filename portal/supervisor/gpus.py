"""Assigns this machine's GPUs to its gpuworkers, one each."""

from __future__ import annotations

import socket

from django.conf import settings

from portal import env
from transcription.options import offered_models

VISIBLE = env.items("CUDA_VISIBLE_DEVICES", "", "GPUs to use, by number; all when empty")


def environments() -> list[dict[str, str]]:
    """Returns each gpuworker's own variables: one empty dict where there is at most one GPU."""
    devices = VISIBLE or [str(number) for number in range(_count())]
    if len(devices) < 2:
        return [{}]
    return [
        {
            "CUDA_VISIBLE_DEVICES": device,
            "GPUWORKER_NAME": f"{socket.gethostname()}:{number}",
            "ENGINE_SOCKET": str(settings.RUN_DIR / f"engine{number}.sock"),
        }
        for number, device in enumerate(devices)
    ]


def _count() -> int:
    if not offered_models.has_gpu():
        return 0
    import pynvml

    pynvml.nvmlInit()
    return int(pynvml.nvmlDeviceGetCount())
