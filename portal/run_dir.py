"""The folder of an installation's sockets."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS and BSD


def run_folder(data: Path) -> Path:
    """Returns `data`/run, or a folder in the system's temporary one where that path is too long for a socket."""
    folder = data / "run"
    if len(str(folder / "engine.sock").encode()) <= LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"whisper-portal-{digest}"
