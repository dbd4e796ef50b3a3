"""The Backend that opens models with OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import openvino

from transcription.engine import machine
from transcription.engine.alignment_heads import alignment_heads_in
from transcription.engine.cpu_replicas import (
    ENCODINGS_MIB,
    MOST_WORKERS,
    NICENESS,
    WEIGHTS,
    has_room,
    second_replica,
    weights_mib,
)
from transcription.engine.library_errors import damaged
from transcription.engine.openvino_backend.compiled import Streams
from transcription.engine.openvino_backend.decoder import Decoder
from transcription.engine.openvino_backend.encoder import Encoder
from transcription.engine.openvino_backend.graphs import Graphs, graphs_of
from transcription.engine.openvino_backend.model import OpenvinoModel, Replica
from transcription.engine.openvino_backend.trial import PRECISIONS, element_type
from transcription.engine.tokenizer_vocabulary import FILE as TOKENIZER
from transcription.engine.tokenizer_vocabulary import TokenizerVocabulary

MULTILINGUAL_TOKENS = 51_865
"""The smallest vocabulary of a model that knows more than English."""

REPLICA_SHARE, REPLICA_MIB = 1.0, 150.0
"""What a replica takes: of the weights' file, which holds float16, and besides; measured with base."""


class OpenvinoBackend:
    """OpenVINO on a CPU.

    Beside each model stands a second replica for urgent works, where memory allows: it has all cores for one call, and
    its threads come before the others', so that a short clip need not wait for the windows that are under way.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, threads: int) -> None:
        """threads: cores to use, 0 for all.

        `urgent_workers` (threads that may call with urgent works at once, besides) is final when a model is open.
        """
        self.library_version = openvino.__version__.partition("-")[0]
        self._cores = threads or machine.cores()
        self.workers = min(self._cores, MOST_WORKERS)
        # Where the machine has more cores, which are not ours, a few threads too many do harm.
        self.encoders = self.workers if self._cores >= machine.cores() else 1
        self.urgent_workers = 0
        self._element = element_type()
        self.compute_type = f"int8+{PRECISIONS[self._element.get_type_name()]}"
        self._opening = threading.Lock()

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> OpenvinoModel:
        """Loads a model from its folder. Raises EngineError for a file that is damaged, OutOfDeviceMemory."""
        with self._opening:
            with damaged(path / WEIGHTS):
                graphs = graphs_of(path / WEIGHTS, alignment_heads_in(path), self._element)
            with damaged(path / TOKENIZER):
                vocabulary = TokenizerVocabulary.read(path, len(graphs.tokens) >= MULTILINGUAL_TOKENS)
            urgent = second_replica(name, path, lambda: _replica(graphs, 1, self._cores))
            if urgent:
                self.urgent_workers = 1
            pool = _replica(graphs, self.workers, self._cores // self.workers, NICENESS if urgent else 0)
            return OpenvinoModel(pool, urgent, vocabulary)

    def memory_mib(self, path: Path) -> float:
        """Returns about how many MiB an open model from this folder takes, a second replica included."""
        replicas = 2 if has_room(path) else 1
        return replicas * (weights_mib(path) * REPLICA_SHARE + REPLICA_MIB) + ENCODINGS_MIB

    def free_mib(self) -> float:
        """Returns the MiB that are available to models."""
        return machine.available_mib()

    def gpu_memory_mib(self) -> None:
        """Returns None: there is no GPU."""


def _replica(graphs: Graphs, streams: int, threads: int, niceness: int = 0) -> Replica:
    encoding, decoding = (Streams(streams, threads, niceness) for _ in range(2))
    return Replica(Encoder(graphs, encoding), Decoder(graphs, decoding), decoding)
