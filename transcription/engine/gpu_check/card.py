"""What NVIDIA's driver says of the GPU, without CUDA: through NVML, which works where CUDA doesn't."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from transcription.engine.types import EngineError

MIB = 1 << 20

DRIVERS = {11: "450", 12: "525", 13: "580"}
"""The oldest driver for Linux that runs programs of a major version of CUDA (NVIDIA's "CUDA Compatibility", "Minor
Version Compatibility")."""

HIDDEN = ("", "-1", "NoDevFiles", "void", "none")
"""Values of CUDA_VISIBLE_DEVICES that leave no GPU."""


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU. driver: its version, as in "580.65.06". cuda: the newest major version that it runs. Memory is in MiB."""

    name: str
    uuid: str
    driver: str
    cuda: int
    used_mib: float
    total_mib: float


def find_card() -> Card | None:
    """Returns this process's first GPU as NVML sees it; None where there is none, or no NVML.

    CUDA_VISIBLE_DEVICES counts, whose numbers are NVML's (`machine.number_gpus_as_the_driver_does`).
    """
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if wanted in HIDDEN or importlib.util.find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        by_uuid = not wanted.isdigit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(wanted) if by_uuid else pynvml.nvmlDeviceGetHandleByIndex(int(wanted))
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return Card(
            name=str(pynvml.nvmlDeviceGetName(handle)),
            uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
            driver=str(pynvml.nvmlSystemGetDriverVersion()),
            cuda=pynvml.nvmlSystemGetCudaDriverVersion() // 1000,
            used_mib=memory.used / MIB,
            total_mib=memory.total / MIB,
        )
    except pynvml.NVMLError:
        return None


def require_working_driver() -> None:
    """Raises EngineError where NVIDIA's driver says that there is a GPU which can't be used as it is."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if wanted in HIDDEN or importlib.util.find_spec("pynvml") is None:
        return
    import pynvml

    try:
        pynvml.nvmlInit()
        for number in range(pynvml.nvmlDeviceGetCount()):
            pynvml.nvmlDeviceGetHandleByIndex(number)
    except (pynvml.NVMLError_LibRmVersionMismatch, pynvml.NVMLError_GpuIsLost) as error:
        raise EngineError(
            f"there is a GPU, but NVIDIA's driver says: {error}. Restart the machine, as after each update of the "
            "driver; until then WHISPER_DEVICE=cpu goes without it"
        ) from error
    except pynvml.NVMLError:
        return


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def torch_sees_gpu() -> bool:
    """Returns whether torch is there and sees a GPU. Without a driver torch is not imported, which takes a second."""
    if not has_torch() or ("torch" not in sys.modules and not has_driver()):
        return False
    import torch

    return bool(torch.cuda.is_available())


def has_driver() -> bool:
    """Returns whether there is a driver that torch can use: CUDA's library, or ROCm's device."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True


def require_driver(card: Card) -> None:
    """Raises EngineError where the driver is too old for the CUDA that torch was built with."""
    if not has_torch():
        return
    import torch

    needed = int((torch.version.cuda or "0").partition(".")[0])
    if needed > card.cuda:
        oldest = f"{DRIVERS[needed]} or newer" if needed in DRIVERS else f"one for CUDA {needed}"
        raise EngineError(
            f"the driver {card.driver} of the {card.name} is too old for torch {torch.__version__}, which needs CUDA "
            f"{needed}: install NVIDIA's driver {oldest}. Until then WHISPER_RUNG=ctranslate2 uses the GPU with CUDA "
            "12, and WHISPER_DEVICE=cpu goes without it"
        )


def torchs_card() -> Card:
    """Returns the GPU as torch sees it, without NVML, which alone knows the driver."""
    import torch

    facts = torch.cuda.get_device_properties(0)
    return Card(facts.name, str(getattr(facts, "uuid", "")), "unknown", 0, 0.0, facts.total_memory / MIB)
