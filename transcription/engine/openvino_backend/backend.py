"""The Backend that opens models with OpenVINO."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import openvino

from transcription.engine import machine
from transcription.engine.alignment_heads import alignment_heads_in
from transcription.engine.backend import OutOfDeviceMemory
from transcription.engine.damaged_file import damaged
from transcription.engine.openvino_backend.compiled import Streams
from transcription.engine.openvino_backend.decoder import Decoder
from transcription.engine.openvino_backend.encoder import Encoder
from transcription.engine.openvino_backend.graphs import Graphs, graphs_of
from transcription.engine.openvino_backend.model import OpenvinoModel, Replica
from transcription.engine.openvino_backend.trial import PRECISIONS, element_type
from transcription.engine.tokenizer_vocabulary import FILE as TOKENIZER
from transcription.engine.tokenizer_vocabulary import TokenizerVocabulary

log = logging.getLogger(__name__)

WEIGHTS = "model.bin"

MOST_STREAMS = 4

NICENESS = 10
"""The niceness of ordinary threads beside those for urgent work: in competition they get a tenth of a core's time."""

URGENT_SHARE = 4
"""How many times the weights must fit into the free memory for a second replica to be loaded."""

MULTILINGUAL_TOKENS = 51_865
"""The smallest vocabulary of a model that knows more than English."""

REPLICA_SHARE, REPLICA_MIB = 1.0, 150.0
"""What a replica takes: of the weights' file, which holds float16, and besides; measured with base."""

ENCODINGS_MIB = 120.0
"""The encodings that are kept for tails, with large-v3; base's take 50 MiB."""


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
        self.workers = min(self._cores, MOST_STREAMS)
        # Where the machine has more cores, which are not ours, a few threads too many do harm.
        self._encodes_beside = self._cores >= machine.cores()
        self.encoders = self.workers if self._encodes_beside else 1
        self.urgent_workers = 0
        self._element = element_type()
        self.compute_type = f"int8+{PRECISIONS[self._element.get_type_name()]}"
        self._opening = threading.Lock()

    def open(self, name: str, path: Path) -> OpenvinoModel:
        """Loads a model from its folder. Raises EngineError for a file that is damaged, OutOfDeviceMemory."""
        with self._opening:
            with damaged(path / WEIGHTS):
                graphs = graphs_of(path / WEIGHTS, alignment_heads_in(path), self._element)
            with damaged(path / TOKENIZER):
                vocabulary = TokenizerVocabulary.read(path, len(graphs.tokens) >= MULTILINGUAL_TOKENS)
            urgent = self._urgent(name, path, graphs)
            niceness = NICENESS if urgent else 0
            pool = _replica(graphs, self.workers, self._cores // self.workers, niceness)
            return OpenvinoModel(pool, urgent, vocabulary)

    def memory_mib(self, path: Path) -> float:
        """Returns about how many MiB an open model from this folder takes, a second replica included."""
        replicas = 2 if self._has_room(path) else 1
        return replicas * (_megabytes(path) * REPLICA_SHARE + REPLICA_MIB) + ENCODINGS_MIB

    def free_mib(self) -> float:
        """Returns the MiB that are available to models."""
        return machine.available_mib()

    def gpu_memory_mib(self) -> None:
        """Returns None: there is no GPU."""

    def _urgent(self, name: str, path: Path, graphs: Graphs) -> Replica | None:
        """Returns the replica for urgent work; None if memory is short."""
        if not self._has_room(path):
            return None
        try:
            replica = _replica(graphs, 1, self._cores)
        except OutOfDeviceMemory:
            log.warning("%s: no memory for a second replica, so short clips wait for the windows under way", name)
            return None
        self.urgent_workers = 1
        return replica

    def _has_room(self, path: Path) -> bool:
        """Returns whether a second replica may be loaded."""
        return _megabytes(path) * URGENT_SHARE < machine.available_mib()


def _replica(graphs: Graphs, streams: int, threads: int, niceness: int = 0) -> Replica:
    encoding, decoding = (Streams(streams, threads, niceness) for _ in range(2))
    return Replica(Encoder(graphs, encoding), Decoder(graphs, decoding), decoding)


def _megabytes(path: Path) -> float:
    """Returns the size of the weights' file in MiB, 0 if there is none."""
    file = path / WEIGHTS
    return file.stat().st_size / machine.MIB if file.is_file() else 0.0
