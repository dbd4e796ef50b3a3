"""An engine that serves random weights as base: `python -m tests.engine.serve_untrained SOCKET`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from tests.engine.untrained import untrained_whisper
from transcription.engine import guard
from transcription.engine.server import Server
from transcription.engine.torch_backend.backend import TorchBackend
from transcription.engine.torch_backend.model import TorchModel
from transcription.engine.torch_backend.parameters import of_whisper


class UntrainedBackend(TorchBackend):
    """Opens the untrained model, whatever the file."""

    def open(self, name: str, path: Path) -> TorchModel:
        return TorchModel(of_whisper(untrained_whisper()), 4, "keys_values")

    def memory_mib(self, path: Path) -> float:
        return 0.0


def main(address: Path) -> int:
    guard.die_with_parent()
    weights = address.with_name("weights")
    weights.touch()
    torch.set_num_threads(1)
    return Server(UntrainedBackend("cpu", 1, 0), ("base",), lambda _: weights, address, batch_size=4).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
