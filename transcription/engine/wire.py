"""What travels between client and engine: a length, a JSON header, raw samples.

    4 bytes   length of the header, big-endian
    header    JSON object; "kind" names the message, "bytes" the payload's length
    payload   little-endian int16 samples, for a window only

Every length is checked before anything is read, and nothing in a message is code.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import asdict
from dataclasses import fields as fields_of
from typing import Any

import numpy as np

from transcription.engine.types import (
    ENCODER_STEP,
    FRAME_SAMPLES,
    LANES,
    LAST_TIMESTAMP,
    LEAD_SAMPLES,
    MAX_BEAM_SIZE,
    TRAIL_SAMPLES,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    DecodeOptions,
    EngineStatus,
    Passage,
    Segment,
    Span,
    Tail,
    Tally,
    Window,
    WindowRejected,
    WindowResult,
    Word,
)

Header = dict[str, Any]

LENGTH = struct.Struct("!I")
MAX_HEADER_BYTES = 4 * 1024 * 1024
MAX_PAYLOAD_BYTES = 2 * (LEAD_SAMPLES + WINDOW_SAMPLES + TRAIL_SAMPLES)
MAX_PROMPT_CHARACTERS = 64 * 1024
MAX_NAME_CHARACTERS = 100
MAX_CONTEXT_TOKENS = 448
MAX_TOKEN = 100_000
MAX_SPANS = 1000
MAX_LANGUAGES = 100
LATEST_SECONDS = 1e9
REQUEST_ID = re.compile("[A-Za-z0-9._-]{1,64}")
SURROGATES = re.compile("[\ud800-\udfff]")
LOUDEST_SOUND = 10.0
"""log10 of more mel power than any int16 sound has."""


class ProtocolError(Exception):
    """A message that does not follow the protocol: the receiver closes the connection."""


WORD_FIELDS = {field.name for field in fields_of(Word)}


def frame(header: Header, payload: bytes = b"") -> bytes:
    """Returns a message, ready to be sent."""
    head = json.dumps({**header, "bytes": len(payload)}, separators=(",", ":")).encode()
    return LENGTH.pack(len(head)) + head + payload


def header_length(prefix: bytes) -> int:
    """Returns the length in bytes of the header that a prefix of four bytes announces."""
    (length,) = LENGTH.unpack(prefix)
    if not 0 < length <= MAX_HEADER_BYTES:
        raise ProtocolError(f"a header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed")
    return int(length)


def parse_header(head: bytes) -> Header:
    """Returns the header's object, whose "kind" and "bytes" are checked."""
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


def window_frame(
    number: int,
    stream: str,
    window: Window,
    options: DecodeOptions,
    language: str | None,
    suspect: bool = False,
    request_id: str = "",
) -> bytes:
    """Returns a window as a message.

    language: what the stream is already known to speak, where that is not given. suspect: whether an engine
    ended while it had the window; one that is tried alone is answered with an "alone" before. request_id: for
    the engine's log lines.
    """
    header = {
        "kind": "window",
        "id": number,
        "stream": stream,
        "suspect": suspect,
        "request_id": request_id,
        "index": window.index,
        "start": window.start,
        "end": window.end,
        "passage": asdict(window.passage) if window.passage else None,
        "tail": asdict(window.tail) if window.tail else None,
        "non_speech": window.non_speech,
        "encoder_frames": window.encoder_frames,
        "times_words": window.times_words,
        "spoken": language,
        "options": asdict(options),
    }
    return frame(header, np.ascontiguousarray(window.samples, dtype="<i2").tobytes())


def check_window(window: Window) -> None:
    """Raises WindowRejected unless the samples are a window that Whisper can hear."""
    samples, longest = window.samples, WINDOW_SAMPLES
    if samples.ndim != 1 or samples.dtype != np.int16:
        raise WindowRejected("a window is a one-dimensional array of int16 samples")
    if window.passage is not None:
        _check_passage(window.passage)
        longest = window.passage.lead + window.passage.frames * FRAME_SAMPLES + TRAIL_SAMPLES
    if window.tail is not None:
        _check_tail(window.tail, window.passage)
    if not 0 < len(samples) <= longest:
        raise WindowRejected(f"this window holds 1 to {longest} samples (30 s at most), not {len(samples)}")
    _check_encoder_frames(window)
    if not (_is_number(window.start, 0.0, LATEST_SECONDS) and _is_number(window.end, 0.0, LATEST_SECONDS)):
        raise WindowRejected("a window starts and ends at numbers of seconds")


def _check_passage(passage: Passage) -> None:
    problems = {
        f"a passage has 1 to {WINDOW_FRAMES} frames": not _is_count(passage.frames, 1, WINDOW_FRAMES),
        f"a passage's lead is 0 or {LEAD_SAMPLES}": passage.lead not in (0, LEAD_SAMPLES),
        "loudest is a number": not _is_number(passage.loudest, -LOUDEST_SOUND, LOUDEST_SOUND),
        "last_speech is a number of seconds": not _is_number(passage.last_speech, 0.0, LATEST_SECONDS),
        f"context is at most {MAX_CONTEXT_TOKENS} tokens": not _is_context(passage.context or ()),
    }
    _raise_first(problems)


def _check_tail(tail: Tail, passage: Passage | None) -> None:
    problems = {
        "a window in exact mode has no tail": passage is not None,
        f"a tail begins after 0 to {LAST_TIMESTAMP} timestamps": not _is_count(tail.after, 0, LAST_TIMESTAMP),
        f"context is at most {MAX_CONTEXT_TOKENS} tokens": not _is_context(tail.context),
    }
    _raise_first(problems)


def _check_encoder_frames(window: Window) -> None:
    frames, needed = window.encoder_frames, len(window.samples) // FRAME_SAMPLES
    is_step = _is_count(frames, ENCODER_STEP, WINDOW_FRAMES) and frames % ENCODER_STEP == 0
    problems = {
        f"encoder_frames is a multiple of {ENCODER_STEP} up to {WINDOW_FRAMES}": not is_step,
        "a window in exact mode is encoded whole": window.passage is not None and frames != WINDOW_FRAMES,
        "encoder_frames are at least those of the window": window.passage is None and is_step and needed > frames,
    }
    _raise_first(problems)


def request_id_of(header: Header) -> str:
    """Returns the request id of a window's header; "-" without one that may stand in a log line."""
    given = header.get("request_id")
    return given if isinstance(given, str) and REQUEST_ID.fullmatch(given) else "-"


def parse_window(header: Header, payload: bytes) -> tuple[Window, DecodeOptions]:
    """Returns the window and options of a message.

    Raises WindowRejected, with a reason that a person can read, for anything amiss.
    """
    if len(payload) % 2:
        raise WindowRejected("the payload has an odd number of bytes; samples have two each")
    try:
        window = Window(
            index=int(header["index"]),
            start=float(header["start"]),
            end=float(header["end"]),
            samples=np.frombuffer(payload, dtype="<i2"),
            passage=_passage(header.get("passage")),
            tail=_tail(header.get("tail")),
            non_speech=_spans(header.get("non_speech")),
            encoder_frames=header.get("encoder_frames", WINDOW_FRAMES),
            times_words=header.get("times_words") is True,
        )
        options = DecodeOptions(**{**header["options"], "languages": tuple(header["options"].get("languages", ()))})
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise WindowRejected(f"the window's description is incomplete: {error}") from error
    check_window(window)
    _check_options(options)
    return window, options


def _passage(fields: Header | None) -> Passage | None:
    if fields is None:
        return None
    context = fields.get("context")
    return Passage(**{**fields, "context": None if context is None else tuple(context)})


def _tail(fields: Header | None) -> Tail | None:
    return None if fields is None else Tail(**{**fields, "context": tuple(fields.get("context", ()))})


def _spans(fields: object) -> tuple[Span, ...]:
    if not isinstance(fields, list | None) or len(fields or ()) > MAX_SPANS:
        raise TypeError(f"non_speech is a list of at most {MAX_SPANS} spans")
    return tuple((float(start), float(end)) for start, end in fields or ())


def _check_options(options: DecodeOptions) -> None:
    texts = {"model": MAX_NAME_CHARACTERS, "prompt": MAX_PROMPT_CHARACTERS, "hotwords": MAX_PROMPT_CHARACTERS}
    switches = ("word_timestamps", "follow_language", "skip_non_speech", "prefers_words")
    problems = {
        f"{name} must be a string of at most {most} characters": not _is_text(getattr(options, name), most)
        for name, most in texts.items()
    }
    problems |= {f"{name} must be true or false": type(getattr(options, name)) is not bool for name in switches}
    problems |= {
        "task must be transcribe or translate": options.task not in ("transcribe", "translate"),
        "language must be an ISO code or null": options.language is not None
        and not _is_text(options.language, MAX_NAME_CHARACTERS),
        "temperature must be between 0 and 1": not _is_number(options.temperature, 0.0, 1.0),
        f"languages are at most {MAX_LANGUAGES} ISO codes": len(options.languages) > MAX_LANGUAGES
        or not all(_is_text(code, MAX_NAME_CHARACTERS) for code in options.languages),
        f"beam_size must be 1 to {MAX_BEAM_SIZE}": not _is_count(options.beam_size, 1, MAX_BEAM_SIZE),
        f"lane must be one of {', '.join(LANES)}": options.lane not in LANES,
    }
    _raise_first(problems)


def _raise_first(problems: dict[str, bool]) -> None:
    for rule, broken in problems.items():
        if broken:
            raise WindowRejected(rule)


def _is_text(value: object, longest: int) -> bool:
    """Returns whether a value is text. Half of a surrogate pair, which JSON can name, is none to a tokenizer."""
    return isinstance(value, str) and len(value) <= longest and not SURROGATES.search(value)


def _is_count(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and type(value) is int and least <= value <= most


def _is_context(tokens: tuple[object, ...]) -> bool:
    return len(tokens) <= MAX_CONTEXT_TOKENS and all(_is_count(token, 0, MAX_TOKEN) for token in tokens)


def _is_number(value: object, least: float, most: float) -> bool:
    """Returns whether a value is a number of this range. NaN is none."""
    return isinstance(value, int | float) and type(value) in (int, float) and least <= value <= most


def result_frame(number: int, result: WindowResult, room: int) -> bytes:
    """Returns a window's text as a message, with how many windows the caller may have unanswered from now on."""
    return frame({"kind": "result", "id": number, "result": asdict(result), "room": room})


def parse_result(header: Header) -> WindowResult:
    """Returns the result of a message of `result_frame`."""
    fields = dict(header["result"])
    fields["segments"] = tuple(_segment(segment) for segment in fields["segments"])
    fields["context"] = tuple(fields["context"])
    fields["missed_speech"] = tuple(map(tuple, fields["missed_speech"]))
    return WindowResult(**fields)


def _segment(fields: Header) -> Segment:
    """Leaves out what a newer engine says of words."""
    words = tuple(Word(**{name: word[name] for name in WORD_FIELDS & word.keys()}) for word in fields["words"])
    return Segment(**{**fields, "tokens": tuple(fields["tokens"]), "words": words})


def parse_status(header: Header) -> EngineStatus:
    """Returns the engine's state, which a "status" message has."""
    fields = dict(header["status"])
    fields |= {name: tuple(fields[name]) for name in ("models", "loaded")}
    return EngineStatus(**{**fields, "tally": Tally(**fields["tally"])})
