"""Which backend to run on this machine, and with which weights."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from transcription.engine import guard
from transcription.engine.backend import Backend
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.gpu_check.card import find_card, torch_sees_gpu
from transcription.engine.gpu_check.rungs import STAND_INS, Rung
from transcription.engine.offered import Offered
from transcription.engine.own_models.ensure import ensure_offered
from transcription.engine.remote_backend.backend import RemoteBackend
from transcription.engine.types import EngineError
from transcription.engine.weights import Form, WeightsError, print_progress

if TYPE_CHECKING:
    from transcription.engine.torch_backend.cross import CrossChoice

log = logging.getLogger(__name__)


def choose_backend(
    name: str,
    device: str,
    threads: int = 0,
    memory_limit_mib: int = 0,
    slots: int = 0,
    cross: CrossChoice = "auto",
    remote_url: str = "",
    rung: Rung | None = None,
) -> Backend:
    """Returns a backend that is not loaded yet: torch where there is a GPU, elsewhere OpenVINO, or CTranslate2.

    OpenVINO is chosen where it is installed and its trial finds the CPU suited.

    memory_limit_mib caps the GPU's memory, or the process's own on a CPU; 0 is no cap. slots and cross
    are torch's: windows under way at once, 0 for as many as are useful, and how their encodings are kept. remote_url:
    of the server that the remote backend asks. rung: of the ladder for GPUs, which names backend and device.
    Raises EngineError where what is asked for isn't there.
    """
    if rung is not None:
        name, device = rung.backend, device if device == "cpu" else rung.device
    if name == "remote":
        return RemoteBackend(remote_url, slots)
    if device == "auto":
        # CTranslate2 needs no torch, which may be one for a newer driver.
        device = "cuda" if torch_sees_gpu() or (name == "ctranslate2" and find_card()) else "cpu"
    elif device == "cuda" and name not in ("ctranslate2", "openvino") and not torch_sees_gpu():
        raise EngineError(
            "no GPU was found, or torch cannot use it: check nvidia-smi and torch.cuda.is_available(), or use the CPU"
        )
    if name == "auto":
        name = "torch" if device == "cuda" else "openvino" if _suits_openvino() else "ctranslate2"
    if device == "cpu" and memory_limit_mib:
        guard.limit_memory(memory_limit_mib)
    if name in ("torch", "openai-whisper") and importlib.util.find_spec("whisper") is None:
        raise EngineError(f"the {name} backend needs torch and openai-whisper: install them")
    if name == "torch":
        from transcription.engine.torch_backend.backend import TorchBackend

        way = rung.name if rung else "graphs"
        return TorchBackend(
            device, threads, memory_limit_mib, slots, cross, way == "graphs", math_attention=way == "math"
        )
    if name == "openai-whisper":
        from transcription.engine.whisper_backend.backend import WhisperBackend

        return WhisperBackend(device, memory_limit_mib)
    if name == "openvino":
        return _openvino(device, threads)
    from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend

    return Ctranslate2Backend(device, threads)


def weights_for(
    backend: Backend, folder: Path, mirrors: Sequence[str], models: Sequence[Offered], stand_in: bool, name: str
) -> Path:
    """Returns the weights of an offered model in the form that the backend reads, fetched where they are missing.

    stand_in: whether to take a smaller model's in place of a large one's of the catalogue.
    """
    offered = next(model for model in models if model.name == name)
    if isinstance(backend, RemoteBackend):
        return backend.place(offered, folder)
    form: Form = "torch" if backend.name in ("torch", "openai-whisper") else "ctranslate2"
    if stand_in and not offered.source and CATALOGUE[name].parameters > CATALOGUE[STAND_INS[0]].parameters:
        return _stand_in(form, folder, mirrors)
    return ensure_offered(offered, form, folder, print_progress, mirrors)


def _stand_in(form: Form, folder: Path, mirrors: Sequence[str]) -> Path:
    """Returns the weights of the first stand-in that can be had. Raises WeightsError of the last one."""
    *better, last = STAND_INS
    for name in better:
        try:
            return ensure_offered(Offered(name), form, folder, print_progress, mirrors)
        except WeightsError as error:
            log.warning("%s", error)
    return ensure_offered(Offered(last), form, folder, print_progress, mirrors)


def _suits_openvino() -> bool:
    """Returns whether OpenVINO is installed and at its best on this CPU."""
    if importlib.util.find_spec("openvino") is None:
        return False
    from transcription.engine.openvino_backend.trial import is_suited

    return is_suited()


def _openvino(device: str, threads: int) -> Backend:
    if importlib.util.find_spec("openvino") is None:
        raise EngineError("the openvino backend needs openvino: install requirements/openvino.txt")
    if device != "cpu":
        raise EngineError("the openvino backend runs on a CPU only: use torch or ctranslate2 on a GPU")
    from transcription.engine.openvino_backend.backend import OpenvinoBackend

    return OpenvinoBackend(threads)
