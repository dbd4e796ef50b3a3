"""An engine for the length of one command, with a client for it."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transcription.engine.arguments import machine_arguments
from transcription.engine.client import EngineClient
from transcription.engine.types import EngineError, EngineUnavailable


@contextmanager
def local_engine(options: argparse.Namespace) -> Iterator[EngineClient]:
    """Starts `serve` with the command's own options, and yields a client once it is ready.

    Raises EngineError where it ends before, or SystemExit where it has said why.
    """
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        address = str(Path(folder) / "socket")
        serve = [sys.executable, "-m", "transcription.engine", "serve", "--socket", address]
        process = subprocess.Popen([*serve, "--models", str(options.model), *machine_arguments(options)])
        try:
            client = EngineClient(address, patience=10.0)
            try:
                wait_until_ready(client, process)
            except EngineError:
                if (process.returncode or 0) > 0:
                    raise SystemExit(1) from None
                raise
            yield client
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(client: EngineClient, process: subprocess.Popen[bytes]) -> None:
    """Waits until the engine is ready. Raises EngineError when its process ends before."""
    while process.poll() is None:
        try:
            if client.status().ready:
                return
        except EngineUnavailable:
            pass
        time.sleep(0.05)
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise EngineError(f"the engine was ended by {name} before it was ready: look whether there is memory enough")
    raise EngineError(f"the engine ended with code {process.returncode} before it was ready")
