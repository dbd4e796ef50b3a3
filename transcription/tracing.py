"""Spans for an OpenTelemetry collector, which OTEL_EXPORTER_OTLP_ENDPOINT names; without one nothing is sent.

A trace is what one request id stands for: its id is made of that, so nothing else is handed from process to process.
Of `req_` and 32 hexadecimal digits, as the portal makes them, it is the digits. Spans are sent when they have ended,
and have neither names, texts nor addresses.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanContext

MADE_HERE = re.compile(r"req_([0-9a-f]{32})")
EXPORT_SECONDS = 2
AWAY_SECONDS = 60
"""For which a collector that didn't take spans is not waited for again."""
log = logging.getLogger(__name__)
_root: ContextVar[str] = ContextVar("root", default="")
"""The request id whose first span is being made."""


@dataclass(frozen=True)
class Span:
    """What took from `begin` to `end`, in seconds since 1970. `kind` is INTERNAL, SERVER or CLIENT."""

    name: str
    begin: float
    end: float
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    error: str = ""
    kind: str = "INTERNAL"
    inner: tuple[Span, ...] = ()


def is_on() -> bool:
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT)


def trace_id(request_id: str) -> int:
    """Returns the trace's id, of 128 bits."""
    made = MADE_HERE.fullmatch(request_id)
    return (int(made[1], 16) if made else 0) or _number(request_id, 16)


def send(request_id: str, *spans: Span) -> None:
    """Hands spans to the exporter's thread, under the request's own one. Raises nothing: the work goes on."""
    try:
        for span in spans:
            _record(span, _first_context(request_id))
    except Exception:
        log.exception("A span was not sent.")


def send_request(request_id: str, span: Span) -> None:
    """Hands over the span of the request itself, under which all others are. Raises nothing."""
    token = _root.set(request_id)
    try:
        _record(span, None)
    except Exception:
        log.exception("A span was not sent.")
    finally:
        _root.reset(token)


def flush() -> None:
    """Waits up to EXPORT_SECONDS until the collector has what this process handed over, for a process that ends."""
    _provider().force_flush()


def is_away() -> bool:
    """Returns whether the collector didn't take the spans of a process of this host less than AWAY_SECONDS ago."""
    try:
        return time.time() - _away().stat().st_mtime < AWAY_SECONDS
    except OSError:
        return False


def _away() -> Path:
    return Path(settings.RUN_DIR) / "collector-away"


def _record(span: Span, parent: SpanContext | None) -> None:
    from opentelemetry import trace

    context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else None
    made = (
        _provider()
        .get_tracer("whisper-portal")
        .start_span(
            span.name,
            context,
            trace.SpanKind[span.kind],
            attributes=span.attributes,
            start_time=round(span.begin * 1e9),
        )
    )
    if span.error:
        made.set_status(trace.StatusCode.ERROR, span.error)
    made.end(round(span.end * 1e9))
    for inner in span.inner:
        _record(inner, made.get_span_context())


def _first_context(request_id: str) -> SpanContext:
    """Returns the context of the request's span, whoever made it; sampled as that one is."""
    from opentelemetry.sdk.trace.sampling import Decision
    from opentelemetry.trace import SpanContext, TraceFlags

    known = trace_id(request_id)
    decision = _provider().sampler.should_sample(None, known, "").decision
    flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
    return SpanContext(known, _number(request_id, 8), is_remote=True, trace_flags=flags)


def _number(request_id: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:size]) or 1


@cache
def _provider() -> TracerProvider:
    """Makes the exporter with its thread, after a worker has forked. The SDK reads OTEL_… variables itself."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Exporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            if result is not SpanExportResult.SUCCESS:
                _away().touch()
            return result

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return trace_id(_root.get()) if _root.get() else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return _number(_root.get(), 8) if _root.get() else super().generate_span_id()

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "whisper-portal"}), id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(Exporter(timeout=EXPORT_SECONDS)))
    return provider
