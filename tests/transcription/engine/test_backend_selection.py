"""The backend and the device that are asked for must exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.transcription.engine.conftest import ROOT
from transcription.engine.gpu_check.card import has_driver


@pytest.mark.parametrize("backend", ["auto", "torch", "ctranslate2"])
def test_a_gpu_that_is_not_there_is_missed_in_a_line(backend: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "transcription.engine", "serve", "--socket", str(tmp_path / "socket")]
    done = subprocess.run(
        [*command, "--device", "cuda", "--backend", backend], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "no GPU was found" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_gpus_driver_torch_is_not_imported() -> None:
    if has_driver():
        pytest.skip("there is a driver")
    program = "import sys; from transcription.engine.backend_selection import choose_backend as choose; "
    program += "print(choose('auto', 'auto').device, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "cpu False\n"
