"""A small own model, and a GPU as its driver describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from tests.transcription.engine.own_models import VOCABULARY, config_of, put, safetensors, weights_of_transformers
from transcription.engine.offered import Offered
from transcription.engine.own_models.ensure import ensure_offered


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Offered, Path]:
    """An operator's own model, untrained, and the folder of weights that it is in."""
    folder, own = tmp_path_factory.mktemp("clinic"), weights_of_transformers()
    heads = {"generation_config.json": b'{"alignment_heads": [[0, 0], [1, 0]]}'}
    files = {"model.safetensors": safetensors(own), "config.json": config_of(own), **VOCABULARY, **heads}
    model = Offered("clinic", str(put(folder / "trained", files)))
    ensure_offered(model, "ctranslate2", folder / "models", lambda name, done, total: None)
    return model, folder / "models"


@dataclass
class Machine:
    """What NVML says of its GPU."""

    uuid: str = "GPU-1234"
    driver: str = "580.65.06"
    cuda: int = 13_000
    used_mib: int = 500
    gpus: int = 1
    capability: tuple[int, int] = (9, 0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with a GPU, which NVML describes; torch is asked apart from that."""
    machine = Machine()

    def handle(number: int) -> int:
        if number >= machine.gpus:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return number

    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": handle,
        "nvmlDeviceGetName": lambda handle: "NVIDIA H100 PCIe",
        "nvmlDeviceGetUUID": lambda handle: machine.uuid,
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=machine.used_mib << 20, total=81_559 << 20),
        "nvmlDeviceGetCudaComputeCapability": lambda handle: machine.capability,
        "nvmlSystemGetDriverVersion": lambda: machine.driver,
        "nvmlSystemGetCudaDriverVersion": lambda: machine.cuda,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return machine
