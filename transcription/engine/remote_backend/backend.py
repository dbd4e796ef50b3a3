"""A server with models, whose speed and memory are its own affair."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from transcription.engine.backend import Backend
from transcription.engine.offered import Offered
from transcription.engine.remote_backend.model import RemoteModel, RemoteVocabulary
from transcription.engine.remote_backend.transport import Server
from transcription.engine.types import EngineError

KEY = "REMOTE_ENGINE_KEY"
"""The environment variable with the key: a command line can be read by others."""

AT_ONCE = 8
URGENT_SHARE = 4


class RemoteBackend(Backend):
    """windows: sent at once, 0 for eight; a quarter more of urgent ones."""

    name = "remote"
    library_version = "1"
    device = "remote"
    compute_type = "remote"

    def __init__(self, url: str, windows: int = 0) -> None:
        if not url:
            raise EngineError("the remote backend needs a server: set REMOTE_ENGINE_URL, as in http://10.0.0.5:8000/v1")
        self._server = Server(url, os.environ.get(KEY, ""))
        self.workers = self.encoders = windows or AT_ONCE
        self.urgent_workers = max(1, self.workers // URGENT_SHARE)

    def place(self, offered: Offered, folder: Path) -> Path:
        """Returns a file that says which of the server's models this is: it stands for the weights."""
        place = folder / self.name / f"{offered.name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"server": self._server.url, "model": offered.remote_name}))
        return place

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> RemoteModel:
        return RemoteModel(self._server, json.loads(path.read_text())["model"], RemoteVocabulary(name))

    def memory_mib(self, path: Path) -> float:
        return 0.0
