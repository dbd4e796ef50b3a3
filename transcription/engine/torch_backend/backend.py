"""Whisper on torch: fp16 on a GPU, fp32 on a CPU."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Collection
from pathlib import Path

import torch
from whisper.model import ModelDimensions

from transcription.engine.backend import Backend, OutOfDeviceMemory
from transcription.engine.cpu_replicas import weights_mib
from transcription.engine.torch_backend.cross import CrossChoice, CrossName
from transcription.engine.torch_backend.device import DEVICE, configure
from transcription.engine.torch_backend.errors import translated_errors
from transcription.engine.torch_backend.int8 import MEASURED, kernel_works
from transcription.engine.torch_backend.limit import gpu_memory_mib, limit_memory
from transcription.engine.torch_backend.loading import stored_whisper
from transcription.engine.torch_backend.memory import CONTEXT_MIB, Need, best_cross, needed_mib, share_of, slots_within
from transcription.engine.torch_backend.model import TorchModel
from transcription.engine.types import DoesNotFit, EngineError

log = logging.getLogger(__name__)

MIB = 1024 * 1024
CPU_SLOTS, GPU_SLOTS = 4, 64

FEW_SLOTS = 4
"""Slots with which a model can do its work beside others."""

MOST_OF_A_GPU = 0.88
"""The share of a GPU's memory that the engine fills where no cap is set: the alert is about more than 90 %."""

ENOUGH_SHARE = 0.75
"""Of its share of the memory, with which a model is content where the rest would cost the reloading of another."""


class TorchBackend(Backend):
    """Models with slots, which share the device's memory by what they would take, those that are in use.

    slots: windows under way at once, of one model; 0 for as many as are useful and fit. graphs: whether a GPU's steps
    are CUDA graphs. math_attention: whether a GPU computes attention from products and softmax, without fused kernels;
    it then has half the slots, since the scores take memory.
    """

    name = "torch"
    library_version = str(torch.__version__)
    workers = 0

    def __init__(
        self,
        device: str,
        threads: int,
        memory_limit_mib: int,
        slots: int = 0,
        cross: CrossChoice = "auto",
        graphs: bool = True,
        math_attention: bool = False,
    ) -> None:
        self.device = device
        self.compute_type = "float16" if device == "cuda" else "float32"
        self.slots = slots or (GPU_SLOTS if device == "cuda" else CPU_SLOTS)
        self.cross = cross
        self._limit_mib = memory_limit_mib
        self._needs: dict[str, Need] = {}
        self._models = weakref.WeakSet[TorchModel]()
        if threads:
            torch.set_num_threads(threads)
        self.graphs = graphs
        self._math_attention = math_attention
        if device == "cuda":
            configure(math_attention)
        if device == "cuda" and memory_limit_mib:
            limit_memory(memory_limit_mib)

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> TorchModel:
        with translated_errors():
            stored = stored_whisper(name, path)
            slots, cross = self._slots_for(name, stored.dims, beside)
            is_short = slots < self.slots
            slots = max(1, slots // 2) if self._math_attention else slots
            log.info("%s: %d slots, cross-attention %s", name, slots, cross)
            with DEVICE.shared():
                parameters = stored.parameters(self.device)
            model = TorchModel(parameters, slots, cross, self.graphs, is_short)
        self._models.add(model)
        return model

    def _slots_for(self, name: str, dims: ModelDimensions, beside: Collection[str]) -> tuple[int, CrossName]:
        """Returns as many slots as were asked for and fit, and how their encodings are kept.

        Raises OutOfDeviceMemory where open models have to make room, DoesNotFit where there is none for it alone.
        """
        if self.device != "cuda":
            return self.slots, "keys_values" if self.cross == "auto" else self.cross
        left = self._left_mib()
        self._needs[name] = need = self._need_of(name, dims)
        needs = [need, *(self._needs[other] for other in beside if other in self._needs)]
        share = share_of(need, needs, left - CONTEXT_MIB + torch.cuda.memory_reserved() / MIB)
        opened = any(model.is_open for model in self._models)
        if opened and left - CONTEXT_MIB < min(need.wanted_mib, share * ENOUGH_SHARE):
            raise OutOfDeviceMemory(f"{name} is to have {share:.0f} MiB, and {left:.0f} MiB are free")
        try:
            return self._within(min(left, CONTEXT_MIB + share), name, dims)
        except DoesNotFit:
            pass
        try:
            return self._within(left, name, dims)
        except DoesNotFit as error:
            if opened:
                raise OutOfDeviceMemory(str(error)) from error
            raise

    def _need_of(self, name: str, dims: ModelDimensions) -> Need:
        """Returns what a model takes with few slots, kept small, and with all of them, kept as a step reads them best.

        CUDA's own memory, which all share, is left out.
        """
        auto = self.cross == "auto"
        wide: CrossName = self.cross if self.cross != "auto" else "int8" if self._has_kernel(name) else "keys_values"
        few = needed_mib(dims, torch.float16, min(self.slots, FEW_SLOTS), "absorbed" if auto else wide)
        return Need(few - CONTEXT_MIB, needed_mib(dims, torch.float16, self.slots, wide) - CONTEXT_MIB)

    def _has_kernel(self, name: str) -> bool:
        """Returns whether 8-bit keys and values may be chosen. The ladder's lower rungs take no kernel of ours."""
        return name in MEASURED and self.graphs and kernel_works()

    def _within(self, limit_mib: float, name: str, dims: ModelDimensions) -> tuple[int, CrossName]:
        cross = self.cross
        if cross == "auto":
            cross = best_cross(dims, torch.float16, limit_mib, self.slots, self._has_kernel(name))
        elif cross == "int8" and not kernel_works():
            raise EngineError("8-bit keys and values don't work on this machine, as the log says: ask for another way")
        return slots_within(dims, torch.float16, limit_mib, cross, name=name, most=self.slots), cross

    def _left_mib(self) -> float:
        """Returns what a model may take in MiB, with the CUDA context, which this process has already."""
        free, total = (size / MIB for size in torch.cuda.mem_get_info())
        if not self._limit_mib:
            return CONTEXT_MIB + free - (1.0 - MOST_OF_A_GPU) * total
        return min(CONTEXT_MIB + free, self._limit_mib - torch.cuda.memory_reserved() / MIB)

    def memory_mib(self, path: Path) -> float:
        """Returns the memory that the weights take in MiB: twice the file on a CPU, where fp16 becomes fp32."""
        return weights_mib(path) * (1 if self.device == "cuda" else 2)

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        return gpu_memory_mib(self.device)
