from __future__ import annotations

import os
import subprocess
import sys

from tests.transcription.engine.conftest import ROOT

TELEMETRY = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
"""With any of them onnxruntime tells nobody by itself."""


def test_an_open_network_has_no_thread_that_tells_its_maker_or_is_lost_in_a_fork() -> None:
    program = "import psutil; from transcription.engine.vad import network; network(); "
    program += "print(psutil.Process().num_threads())"
    environment = {name: value for name, value in os.environ.items() if name not in TELEMETRY}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
