"""A client that sends one file with tus until it is whole, to be killed at any moment and started again.

`python -m benchmarks.resume_client URL KEY FILE STATE PACE`: it keeps the upload's address in the file STATE, and
counts the bytes it has handed to the network in STATE.sent, where they survive it. PACE is the most bytes a second, 0
for any.
"""

from __future__ import annotations

import http.client
import mmap
import struct
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

PIECE = 8 * 1024 * 1024
BLOCK = 64 * 1024
PAUSE_SECONDS = 0.2
COUNTER = struct.Struct("<Q")


class Sent:
    """A count in a file that outlives its process."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(COUNTER.pack(0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), COUNTER.size)

    @property
    def bytes(self) -> int:
        return int(COUNTER.unpack_from(self._memory)[0])

    def add(self, count: int) -> None:
        COUNTER.pack_into(self._memory, 0, self.bytes + count)


class Sender:
    """One file, one server, and what is known of the upload."""

    def __init__(self, url: str, key: str, file: Path, state: Path, pace: int) -> None:
        self._pause = BLOCK / pace if pace else 0.0
        self._host = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {key}", "Tus-Resumable": "1.0.0"}
        self._file, self._length, self._state = file, file.stat().st_size, state
        self._sent = Sent(state.with_suffix(".sent"))

    def step(self) -> bool:
        """Sends one piece from where the server says; False when all are there. Raises OSError and HTTPException."""
        if not self._state.exists():
            self._create()
        place = self._state.read_text()
        answer = self._ask("HEAD", place)
        if answer.status != 200:
            raise http.client.HTTPException(f"HEAD was answered with {answer.status}")
        offset = int(answer.headers["Upload-Offset"])
        if offset == self._length:
            return False
        self._patch(place, offset)
        return True

    def _create(self) -> None:
        answer = self._ask("POST", "/api/v1/uploads", {"Upload-Length": str(self._length)})
        if answer.status != 201:
            raise http.client.HTTPException(f"POST was answered with {answer.status}: {answer.read()!r}")
        self._state.write_text(answer.headers["Location"])

    def _patch(self, place: str, offset: int) -> None:
        size = min(PIECE, self._length - offset)
        about = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        connection = self._begun("PATCH", place, about | {"Content-Length": str(size)})
        with self._file.open("rb") as file:
            file.seek(offset)
            while size and (block := file.read(min(BLOCK, size))):
                connection.send(block)
                self._sent.add(len(block))
                size -= len(block)
                time.sleep(self._pause)
        connection.getresponse().read()
        connection.close()

    def _ask(self, method: str, place: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        return self._begun(method, place, headers or {}).getresponse()

    def _begun(self, method: str, place: str, headers: dict[str, str]) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.putrequest(method, place)
        for name, value in (self._headers | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection


def main(url: str, key: str, file: str, state: str, pace: str) -> None:
    sender = Sender(url, key, Path(file), Path(state), int(pace))
    while True:
        try:
            if not sender.step():
                return
        except (OSError, http.client.HTTPException) as error:
            print(f"{error!r}: trying again", flush=True)
            time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
