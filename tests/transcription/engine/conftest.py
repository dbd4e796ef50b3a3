"""Fixtures: engines with real weights, and recordings of real speech."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from transcription.engine.audio import find_ffmpeg, read_media
from transcription.engine.client import EngineClient
from transcription.engine.local import wait_until_ready
from transcription.engine.types import SAMPLE_RATE, DecodeOptions
from transcription.engine.weights import ensure, print_progress

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TORCH = ("parity", "test_backend_selection.py", "test_cpu_models.py", "test_gpu_benchmark.py", "test_openvino.py")
"""Files and folders whose tests import torch or openai-whisper, or start a process that does."""

collect_ignore = [] if importlib.util.find_spec("whisper") else list(TORCH)
collect_ignore += [] if importlib.util.find_spec("openvino") else ["test_openvino.py"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder that need torch, and those that need base's weights, which need it, too."""
    for item in items:
        if "base_weights" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.weights)
            item.add_marker(pytest.mark.torch)
        elif item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] in TORCH:
            item.add_marker(pytest.mark.torch)


@dataclass
class Engine:
    """A `serve` process that can be killed and started again at the same address."""

    address: str
    weights: Path
    backend: str
    models: str = "base"
    more: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()
        wait_until_ready(EngineClient(self.address), self.process)

    def start(self) -> None:
        command = [sys.executable, "-m", "transcription.engine", "serve", "--socket", self.address]
        options = ["--weights", str(self.weights), "--backend", self.backend, "--device", "cpu"]
        options += ["--models", self.models, *self.more]
        self.process = subprocess.Popen([*command, *options], cwd=ROOT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    return Path(os.environ.get("WHISPER_WEIGHTS", ROOT / "var" / "models"))


@pytest.fixture(scope="session")
def base_weights(weights_folder: Path) -> Path:
    """Returns the CTranslate2 folder of base, and fetches it the first time."""
    return ensure("base", "ctranslate2", weights_folder, print_progress)


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of a small model with random weights, in CTranslate2's form."""
    import torch

    from benchmarks.untrained import untrained_whisper
    from tests.transcription.engine.test_own_models import ensure

    folder = tmp_path_factory.mktemp("untrained")
    whisper = untrained_whisper()
    torch.save({"dims": asdict(whisper.dims), "model_state_dict": whisper.state_dict()}, folder / "own.pt")
    return ensure(f"clinic={folder / 'own.pt'}", folder / "cache")


@pytest.fixture(scope="session")
def engine(base_weights: Path) -> Iterator[Engine]:
    """Starts the engine that tests share; they must not kill it."""
    yield from _engine(base_weights, "auto")


@pytest.fixture(scope="session")
def torch_engine(base_weights: Path) -> Iterator[Engine]:
    pytest.importorskip("whisper")
    yield from _engine(base_weights, "torch")


@pytest.fixture
def own_engine(base_weights: Path) -> Iterator[Engine]:
    """Starts an engine that the test may kill."""
    yield from _engine(base_weights, "auto")


@pytest.fixture(scope="session")
def engine_socket(engine: Engine) -> str:
    """Returns the address of the shared engine."""
    return engine.address


@pytest.fixture
def client(engine: Engine) -> EngineClient:
    return EngineClient(engine.address, patience=20.0)


@pytest.fixture
def english() -> DecodeOptions:
    return DecodeOptions("base", language="en")


@pytest.fixture(scope="session")
def fox() -> bytes:
    """Returns "The quick brown fox…", four seconds of English, as mono s16le at 16 kHz."""
    return speech("en/quick_brown_fox")


@pytest.fixture(scope="session")
def counting() -> bytes:
    """Returns the numbers from one to ten in English, likewise."""
    return speech("en/counting")


@pytest.fixture(scope="session")
def conteo() -> bytes:
    """Returns the numbers from one to ten in Spanish, likewise."""
    return speech("es/conteo")


@pytest.fixture(scope="session")
def lecture(fox: bytes, counting: bytes) -> bytes:
    """Returns a minute of English in four parts, with eight seconds of silence between them."""
    pause, silence = bytes(2 * SAMPLE_RATE), bytes(8 * 2 * SAMPLE_RATE)
    part = pause.join([fox, counting])
    return silence.join([part] * 4)


@pytest.fixture
def silent_film(tmp_path: Path) -> Path:
    """Returns the path of a video without an audio track."""
    file = tmp_path / "film.mkv"
    colour = ["-f", "lavfi", "-i", "color=size=32x32:duration=1"]
    subprocess.run([find_ffmpeg(), "-v", "error", *colour, str(file)], check=True)
    return file


def speech(name: str) -> bytes:
    """Returns a clip of pytest-audioeval as mono s16le at 16 kHz."""
    return b"".join(read_media(sample(name)))


def sample(name: str) -> Path:
    """Returns the path of a clip of pytest-audioeval, whose plugin is not imported. Skips the test without it."""
    spec = importlib.util.find_spec("pytest_audioeval")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("pytest-audioeval, which ships the speech, is not installed")
    return Path(spec.submodule_search_locations[0]) / "samples" / "audio" / f"{name}.wav"


def _engine(base_weights: Path, backend: str) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        running = Engine(str(Path(folder) / "socket"), base_weights.parents[1], backend)
        yield running
        running.kill()
