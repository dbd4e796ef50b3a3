"""What travels between client and engine: a length, a JSON header, raw samples.

    4 bytes   length of the header, big-endian
    header    JSON object; "kind" names the message, "bytes" the payload's length
    payload   little-endian int16 samples, for a window only

Every length is checked before anything is read, and nothing in a message is code.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any

import numpy as np

from transcription.engine.types import (
    LANES,
    WINDOW_SAMPLES,
    DecodeOptions,
    EngineStatus,
    Segment,
    Window,
    WindowRejected,
    WindowResult,
    Word,
)

Header = dict[str, Any]

LENGTH = struct.Struct("!I")
MAX_HEADER_BYTES = 4 * 1024 * 1024
MAX_PAYLOAD_BYTES = 2 * WINDOW_SAMPLES
MAX_PROMPT_CHARACTERS = 64 * 1024
MAX_NAME_CHARACTERS = 100


class ProtocolError(Exception):
    """The other side does not speak our language: hang up."""


def frame(header: Header, payload: bytes = b"") -> bytes:
    """One message, ready to be sent."""
    head = json.dumps({**header, "bytes": len(payload)}, separators=(",", ":")).encode()
    return LENGTH.pack(len(head)) + head + payload


def header_length(prefix: bytes) -> int:
    """Length in bytes of the header announced by a four-byte prefix."""
    (length,) = LENGTH.unpack(prefix)
    if not 0 < length <= MAX_HEADER_BYTES:
        raise ProtocolError(f"a header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed")
    return int(length)


def parse_header(head: bytes) -> Header:
    """The header's object, with a checked "kind" and "bytes"."""
    try:
        header = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the header is not JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise ProtocolError("the header is not an object with a kind")
    size = header.get("bytes")
    if type(size) is not int or not 0 <= size <= MAX_PAYLOAD_BYTES:
        raise ProtocolError(f"a payload of {size!r} bytes; at most {MAX_PAYLOAD_BYTES} are allowed")
    return header


def window_frame(number: int, stream: str, window: Window, options: DecodeOptions, language: str | None) -> bytes:
    """A window as a message; `language` is what the stream is already known to speak."""
    header = {
        "kind": "window",
        "id": number,
        "stream": stream,
        "index": window.index,
        "start": window.start,
        "end": window.end,
        "options": {**asdict(options), "language": options.language or language},
    }
    return frame(header, np.ascontiguousarray(window.samples, dtype="<i2").tobytes())


def check_window(window: Window) -> None:
    """Raise WindowRejected unless the samples are a window that Whisper can hear."""
    samples = window.samples
    if samples.ndim != 1 or samples.dtype != np.int16:
        raise WindowRejected("a window is a one-dimensional array of int16 samples")
    if not 0 < len(samples) <= WINDOW_SAMPLES:
        raise WindowRejected(f"a window holds 1 to {WINDOW_SAMPLES} samples (30 s), this one {len(samples)}")


def parse_window(header: Header, payload: bytes) -> tuple[Window, DecodeOptions]:
    """The window and options of a message.

    Raises WindowRejected, with a reason that a person can read, for anything amiss.
    """
    if len(payload) % 2:
        raise WindowRejected("half a sample: the payload has an odd number of bytes")
    try:
        window = Window(
            index=int(header["index"]),
            start=float(header["start"]),
            end=float(header["end"]),
            samples=np.frombuffer(payload, dtype="<i2"),
        )
        options = DecodeOptions(**header["options"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WindowRejected(f"the window's description is incomplete: {error}") from error
    check_window(window)
    _check_options(options)
    return window, options


def _check_options(options: DecodeOptions) -> None:
    problems = {
        "model is a short name": not _is_text(options.model, MAX_NAME_CHARACTERS),
        "task is transcribe or translate": options.task not in ("transcribe", "translate"),
        "language is an ISO code or null": options.language is not None
        and not _is_text(options.language, MAX_NAME_CHARACTERS),
        "temperature lies between 0 and 1": not _is_temperature(options.temperature),
        f"prompt has at most {MAX_PROMPT_CHARACTERS} characters": not _is_text(options.prompt, MAX_PROMPT_CHARACTERS),
        "word_timestamps is true or false": type(options.word_timestamps) is not bool,
        f"lane is one of {', '.join(LANES)}": options.lane not in LANES,
    }
    for rule, broken in problems.items():
        if broken:
            raise WindowRejected(rule)


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_temperature(value: object) -> bool:
    return type(value) in (int, float) and 0.0 <= float(str(value)) <= 1.0


def result_frame(number: int, result: WindowResult) -> bytes:
    """A window's text as a message."""
    return frame({"kind": "result", "id": number, "result": asdict(result)})


def parse_result(header: Header) -> WindowResult:
    """The inverse of `result_frame`."""
    fields = dict(header["result"])
    fields["segments"] = tuple(_segment(segment) for segment in fields["segments"])
    return WindowResult(**fields)


def _segment(fields: Header) -> Segment:
    words = tuple(Word(**word) for word in fields["words"])
    return Segment(**{**fields, "tokens": tuple(fields["tokens"]), "words": words})


def status_frame(status: EngineStatus) -> bytes:
    """The engine's condition as a message."""
    return frame({"kind": "status", "status": asdict(status)})


def parse_status(header: Header) -> EngineStatus:
    """The inverse of `status_frame`."""
    fields = dict(header["status"])
    return EngineStatus(**{**fields, "models": tuple(fields["models"])})
