"""A local HTTP server with the interface of Hugging Face, and small models for it to serve."""

from __future__ import annotations

import hashlib
import math
import random
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from transcription.engine.catalogue import CATALOGUE
from transcription.engine.download import CHUNK_BYTES

MODEL_BYTES = 3 * CHUNK_BYTES
LARGE = ("model.bin", ".safetensors")


def model_file(size: int = MODEL_BYTES, seed: int = 1) -> bytes:
    """Returns a `model.bin` of CTranslate2 with a single variable of `size` random bytes."""
    return _model_file({"encoder/noise": (size,)}, random.Random(seed))


def model_files(seed: int = 1) -> dict[str, bytes]:
    """Returns all files of a small CTranslate2 model by name."""
    return _folder(model_file(seed=seed))


def whisper_files(model: str) -> dict[str, bytes]:
    """Returns the files of a model with the dimensions of `name`, whose layers hold hardly any numbers."""
    own = CATALOGUE[model].dimensions
    shapes: dict[str, tuple[int, ...]] = {"encoder/conv1/weight": (own.state, own.n_mels, 3)}
    for half, layers in (("encoder", own.audio_layers), ("decoder", own.text_layers)):
        shapes |= {f"{half}/layer_{number}/ffn/linear_0/bias": (1,) for number in range(layers)}
    return _folder(_model_file(shapes, random.Random(1)))


def _model_file(shapes: dict[str, tuple[int, ...]], chance: random.Random) -> bytes:
    """Returns a `model.bin` with variables of random int8 numbers and no aliases."""
    variables = [_name(name) + _numbers(shape, chance) for name, shape in shapes.items()]
    head = struct.pack("<I", 6) + _name("Whisper") + struct.pack("<II", 3, len(variables))
    return head + b"".join(variables) + struct.pack("<I", 0)


def _name(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def _numbers(shape: tuple[int, ...], chance: random.Random) -> bytes:
    size = math.prod(shape)
    return struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, 1, size) + chance.randbytes(size)


def _folder(model: bytes) -> dict[str, bytes]:
    return {
        "model.bin": model,
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "vocabulary.txt": b"a\n",
    }


class Hub:
    """Serves models as Hugging Face does: large files by way of a store, their SHA-256 in the redirection.

    ranges: whether parts of a file can be had. breaks_after: bytes of a large file after which
    the connection breaks, each time. served: path and first byte of every file that was sent.
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.names_sums = True
        self.ranges = True
        self.breaks_after = 0
        self.served: list[tuple[str, int]] = []

    def put(self, model: str, files: dict[str, bytes]) -> None:
        self.put_repository(CATALOGUE[model].repository, files)

    def put_repository(self, repository: str, files: dict[str, bytes], revision: str = "main") -> None:
        root = f"/{repository}/resolve/{revision}"
        self.files |= {f"{root}/{name}": content for name, content in files.items()}

    def starts(self, name: str) -> list[int]:
        """Returns the offsets from which files of this name were sent."""
        return [begin for path, begin in self.served if path.endswith(f"/{name}")]

    @contextmanager
    def open(self) -> Iterator[Hub]:
        handler = type("Handler", (_Handler,), {"hub": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        path = self.path.removeprefix("/store")
        content = self.hub.files.get(path)
        if content is None:
            self.send_error(404)
        elif path.endswith(LARGE) and not self.path.startswith("/store"):
            self._redirect(content)
        else:
            self._send(path, content)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _redirect(self, content: bytes) -> None:
        self.send_response(302)
        if self.hub.names_sums:
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Location", f"/store{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, path: str, content: bytes) -> None:
        wanted = self.headers.get("Range", "") if self.hub.ranges else ""
        begin = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        if begin >= len(content):
            self.send_error(416)
            return
        self.hub.served.append((path, begin))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        most = self.hub.breaks_after if path.endswith(LARGE) else 0
        self.wfile.write(content[begin : begin + most] if most else content[begin:])
