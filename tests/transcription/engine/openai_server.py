"""A local server with the shape of OpenAI's transcription endpoints, that says what a test tells it."""

from __future__ import annotations

import io
import json
import threading
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """A request: its path, key, fields, and the seconds of its sound."""

    path: str
    key: str
    fields: dict[str, list[str]]
    seconds: float


@dataclass
class OpenAIServer:
    """answer: to every request, after the `refusals`: pairs of a status and headers. breaks_at: seconds of a window at
    which the server hangs up."""

    answer: dict[str, Any] = field(default_factory=lambda: spoken("Hello there."))
    refusals: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    breaks_at: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def windows(self) -> list[Asked]:
        """What was asked of it, without the second of noise by which an engine tries a model that it opens."""
        return [asked for asked in self.asked if asked.seconds != 1.0]

    @contextmanager
    def open(self, port: int = 0) -> Iterator[OpenAIServer]:
        handler = type("Handler", (_Handler,), {"told": self})
        with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.url = f"http://127.0.0.1:{server.server_port}/v1"
            yield self
            server.shutdown()


def spoken(*texts: str, language: str = "english", **more: Any) -> dict[str, Any]:
    """Verbose_json with a segment of two seconds for each text."""
    figures = {"avg_logprob": -0.25, "no_speech_prob": 0.01}
    segments = [{"start": 2.0 * n, "end": 2.0 * n + 2, "text": text, **figures} for n, text in enumerate(texts)]
    return {"language": language, "text": " ".join(texts), "segments": segments, **more}


class _Handler(BaseHTTPRequestHandler):
    told: OpenAIServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields: dict[str, list[str]] = {}
        seconds = 0.0
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            if name == "file":
                with wave.open(io.BytesIO(content)) as sound:
                    seconds = sound.getnframes() / sound.getframerate()
            else:
                fields.setdefault(name, []).append(content.decode())
        self.told.asked.append(Asked(self.path, self.headers.get("Authorization", ""), fields, seconds))
        if seconds == self.told.breaks_at:
            self.close_connection = True
            return
        status, headers = self.told.refusals.pop(0) if self.told.refusals else (200, {})
        message = {"error": {"message": "not now"}}
        content = json.dumps(self.told.answer if status == 200 else message).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass
