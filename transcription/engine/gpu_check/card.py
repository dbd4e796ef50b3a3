"""What NVIDIA's driver says of the GPU, without CUDA: through NVML, which works where CUDA doesn't."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from transcription.engine.types import EngineError

MIB = 1 << 20

DRIVERS = {11: "450", 12: "525", 13: "580"}
"""The oldest driver for Linux that runs programs of a major version of CUDA (NVIDIA's "CUDA Compatibility", "Minor
Version Compatibility")."""

HIDDEN = ("", "-1", "NoDevFiles", "void", "none")
"""Values of CUDA_VISIBLE_DEVICES that leave no GPU."""


AMISS: dict[str, str] = {
    "NVMLError_LibRmVersionMismatch": "Restart the machine, as after each update of the driver",
    "NVMLError_GpuIsLost": "Restart the machine, and look for Xid errors in the kernel's log (dmesg)",
    "NVMLError_ResetRequired": "Restart the machine, or reset the GPU with nvidia-smi --gpu-reset",
    "NVMLError_NoPermission": "Let this user open /dev/nvidia*, as by the group video",
}
"""What to do about NVML's errors that say of a GPU that it is there."""

CUDA_INIT = "import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))"
NOT_READY = 802
"""CUDA_ERROR_SYSTEM_NOT_READY: on boards with NVSwitch, until NVIDIA's Fabric Manager runs."""

READY_SECONDS = 300.0
LOOK_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU. driver: its version, as in "580.65.06". cuda: the newest major version that it runs. Memory is in MiB.

    capability: the compute capability, as in (9, 0); None where nobody says.
    """

    name: str
    uuid: str
    driver: str
    cuda: int
    used_mib: float
    total_mib: float
    capability: tuple[int, int] | None = None


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
            capability=_capability(handle),
        )
    except pynvml.NVMLError:
        return None


def _capability(handle: object) -> tuple[int, int] | None:
    import pynvml

    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    except pynvml.NVMLError:
        return None  # as of a slice of a GPU
    return int(major), int(minor)


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
    except pynvml.NVMLError as error:
        todo = next((AMISS[name] for kind in type(error).__mro__ if (name := kind.__name__) in AMISS), None)
        if todo:
            raise EngineError(
                f"there is a GPU, but NVIDIA's driver says: {error}. {todo}; until then WHISPER_DEVICE=cpu goes "
                "without it"
            ) from error


def wait_until_ready() -> None:
    """Waits while CUDA says that it is not ready, READY_SECONDS at most. Torch would remember that there is no GPU.

    CUDA is asked by processes of their own, as each remembers what it was told first.
    """
    until = time.monotonic() + READY_SECONDS
    while cuda_status() == NOT_READY and time.monotonic() < until:
        log.warning("CUDA is not ready: is NVIDIA's Fabric Manager starting (systemctl status nvidia-fabricmanager)?")
        time.sleep(LOOK_SECONDS)


def cuda_status() -> int | None:
    """Returns what cuInit() answers in a new process, 0 where all is well; None where it doesn't answer."""
    command = [sys.executable, "-S", "-c", CUDA_INIT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS, check=True)
        return int(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


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
            "12 (a Hopper or newer one from driver 570 on), and WHISPER_DEVICE=cpu goes without it"
        )


def lacks_kernels(card: Card) -> bool:
    """Returns whether torch was built without kernels for this card, or any that its driver could compile for it."""
    import torch

    built = torch.cuda.get_arch_list()
    if card.capability is None or not built:
        return False
    major, minor = card.capability
    return not any(_runs_on(arch, major, minor) for arch in built)


def _runs_on(arch: str, major: int, minor: int) -> bool:
    """Returns whether kernels for `arch`, as in sm_90a or compute_90, run on a compute capability.

    Binaries run on later minor versions of their major one, PTX on all later versions (NVIDIA's "CUDA C++ Programming
    Guide", "Compute Capabilities").
    """
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", arch)
    if found is None:
        return True
    theirs = int(found[2]), int(found[3])
    return theirs <= (major, minor) and (found[1] == "compute" or theirs[0] == major)


def torchs_card() -> Card:
    """Returns the GPU as torch sees it, without NVML, which alone knows the driver."""
    import torch

    facts = torch.cuda.get_device_properties(0)
    return Card(facts.name, str(getattr(facts, "uuid", "")), "unknown", 0, 0.0, facts.total_memory / MIB)
