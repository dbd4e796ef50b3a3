"""The Backend that opens models with OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import openvino

from transcription.engine import machine
from transcription.engine.alignment_heads import alignment_heads_in
from transcription.engine.backend import Backend
from transcription.engine.cpu_replicas import (
    ENCODINGS_MIB,
    MOST_WORKERS,
    NICENESS,
    has_room,
    second_replica,
    weights_mib,
)
from transcription.engine.library_errors import damaged
from transcription.engine.model_folder import MODEL, TOKENIZER
from transcription.engine.openvino_backend.compiled import Streams
from transcription.engine.openvino_backend.decoder import Decoder
from transcription.engine.openvino_backend.encoder import Encoder
from transcription.engine.openvino_backend.graphs import Graphs, graphs_of
from transcription.engine.openvino_backend.model import OpenvinoModel, Replica
from transcription.engine.openvino_backend.trial import PRECISIONS, element_type
from transcription.engine.whisper_vocabulary import WhisperVocabulary

REPLICA_MIB = 150.0
"""What a replica takes besides as much as the weights' file, which holds float16; measured with base."""


class OpenvinoBackend(Backend):
    """OpenVINO on a CPU.

    Beside each model stands a second replica for urgent works, where memory allows: it has all cores for one call, and
    its threads come before the others', so that a short clip need not wait for the windows that are under way.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, threads: int) -> None:
        """threads: cores to use, 0 for all."""
        self.library_version = openvino.__version__.partition("-")[0]
        self._cores = threads or machine.cores()
        self.workers = min(self._cores, MOST_WORKERS)
        # Where the machine has more cores, which are not ours, a few threads too many do harm.
        self.encoders = self.workers if self._cores >= machine.cores() else 1
        self._element = element_type()
        self.compute_type = f"int8+{PRECISIONS[self._element.get_type_name()]}"
        self._opening = threading.Lock()

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> OpenvinoModel:
        with self._opening:
            with damaged(path / MODEL):
                graphs = graphs_of(path / MODEL, alignment_heads_in(path), self._element)
            with damaged(path / TOKENIZER):
                vocabulary = WhisperVocabulary.read(path)
            urgent = second_replica(name, path, lambda: _replica(graphs, 1, self._cores))
            if urgent:
                self.urgent_workers = 1
            pool = _replica(graphs, self.workers, self._cores // self.workers, NICENESS if urgent else 0)
            return OpenvinoModel(pool, urgent, vocabulary)

    def memory_mib(self, path: Path) -> float:
        replicas = 2 if has_room(path) else 1
        return replicas * (weights_mib(path) + REPLICA_MIB) + ENCODINGS_MIB


def _replica(graphs: Graphs, streams: int, threads: int, niceness: int = 0) -> Replica:
    encoding, decoding = (Streams(streams, threads, niceness) for _ in range(2))
    return Replica(Encoder(graphs, encoding), Decoder(graphs, decoding))
