"""Weights are what they should be, or they are fetched again, or the reason is said."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from transcription.engine import download
from transcription.engine.weights import NEEDED, WeightsError, ensure, is_whole, sha256


def quiet(name: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Mirror(SimpleHTTPRequestHandler):
    """Serves files, and names a SHA-256 as Hugging Face does."""

    sum = ""

    def end_headers(self) -> None:
        if self.sum:
            self.send_header("X-Linked-Etag", f'"{self.sum}"')
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def mirror(folder: Path, claimed: str = "") -> Iterator[str]:
    handler = type("Claiming", (Mirror,), {"sum": claimed})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_base_is_whole(base_weights: Path) -> None:
    assert is_whole(base_weights)


def test_half_a_model_file_is_repaired(base_weights: Path, tmp_path: Path) -> None:
    place = tmp_path / "ctranslate2" / "base"
    place.mkdir(parents=True)
    for file in base_weights.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    if not (place / "SHA256SUMS").exists():
        lines = [f"{sha256(file)}  {file.name}\n" for file in sorted(place.iterdir())]
        (place / "SHA256SUMS").write_text("".join(lines))
    whole = (place / "model.bin").stat().st_size
    with (place / "model.bin").open("r+b") as model:
        model.truncate(whole // 2)
    repaired = ensure("base", "ctranslate2", tmp_path, quiet)
    assert repaired == place
    assert (place / "model.bin").stat().st_size > whole // 2
    assert is_whole(place)
    assert [file.name for file in place.parent.iterdir()] == ["base"]


def test_a_file_with_the_wrong_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with mirror(tmp_path) as url, pytest.raises(download.DownloadError, match=r"has SHA-256"):
        download.fetch(f"{url}/model.bin", tmp_path / "copy", quiet, sha256="0" * 64)
    with mirror(tmp_path, "f" * 64) as url, pytest.raises(download.DownloadError, match=r"f{64}"):
        download.fetch(f"{url}/model.bin", tmp_path / "copy", quiet)
    assert [file.name for file in tmp_path.iterdir()] == ["model.bin"]


def test_a_mirror_serves_what_the_publisher_does_not(base_weights: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf" / "Systran" / "faster-whisper-tiny" / "resolve"
    shelf.mkdir(parents=True)
    (shelf / "main").symlink_to(base_weights)
    with mirror(tmp_path / "shelf") as url:
        place = ensure("tiny", "ctranslate2", tmp_path / "cache", quiet, mirrors=[url])
    assert sha256(place / "model.bin") == sha256(base_weights / "model.bin")
    assert is_whole(place)


def test_the_operators_own_folder_is_used_as_it_is(base_weights: Path, tmp_path: Path) -> None:
    assert ensure("base", "ctranslate2", tmp_path, quiet, given=base_weights) == base_weights
    with pytest.raises(WeightsError, match=NEEDED[0]):
        ensure("base", "ctranslate2", tmp_path, quiet, given=tmp_path)


def test_a_model_that_no_source_has_names_every_source(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9"):
        ensure("tiny", "ctranslate2", tmp_path, quiet, mirrors=["http://127.0.0.1:9"])


def test_a_full_disk_is_called_a_full_disk(base_weights: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf" / "Systran" / "faster-whisper-tiny" / "resolve"
    shelf.mkdir(parents=True)
    (shelf / "main").symlink_to(base_weights)
    script = f"""
import resource
from pathlib import Path
from transcription.engine.weights import ensure
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))
ensure("tiny", "ctranslate2", Path({str(tmp_path / "cache")!r}), lambda *_: None, mirrors=[URL])
"""
    with mirror(tmp_path / "shelf") as url:
        done = subprocess.run([sys.executable, "-c", script.replace("URL", repr(url))], capture_output=True, text=True)
    assert "the disk is full: tiny needs about 76 MB" in done.stderr
    assert not list((tmp_path / "cache").glob("**/model.bin*"))
