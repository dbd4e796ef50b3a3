"""What the examples' page shows works as pasted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portal.web.api_examples import Snippet, examples
from tests.portal.api import node_sdk
from tests.stack import Stack

pytestmark = pytest.mark.slow
SHOWN = [snippet for example in examples("http://portal.example") for snippet in example.snippets]
PATIENCE_SECONDS = 120


@pytest.fixture
def folder(fox: Path, tmp_path: Path) -> Path:
    """With the recording that the page speaks of, and the libraries that it asks for."""
    shutil.copy(fox, tmp_path / "recording.mp3")
    node_sdk.install()
    (tmp_path / "node_modules").symlink_to(node_sdk.FOLDER / "node_modules")
    return tmp_path


def command_of(snippet: Snippet, text: str, folder: Path) -> list[str]:
    if snippet.name.endswith("-python"):
        (folder / "example.py").write_text(text)
        return [sys.executable, "example.py"]
    if snippet.name.endswith("-javascript"):
        (folder / "example.mjs").write_text(text)
        return [str(node_sdk.node()), "example.mjs"]
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    return ["sh", "-c", text]


@pytest.mark.parametrize("name", [snippet.name for snippet in SHOWN])
def test_an_example_works_as_pasted(name: str, folder: Path, stack: Stack) -> None:
    (snippet,) = (one for example in examples(stack.url) for one in example.snippets if one.name == name)
    done = subprocess.run(
        command_of(snippet, snippet.text, folder),
        cwd=folder,
        env=os.environ | {"WHISPER_KEY": stack.api_key},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fox" in done.stdout.lower()
