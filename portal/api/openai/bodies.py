"""The five shapes of an answer, and the events of a streamed one."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from portal.api.openai.parameters import Parameters
from tenants.quota import billed_seconds
from transcription import exports
from transcription.models import Segment, Transcription


def response_of(row: Transcription, parameters: Parameters) -> HttpResponseBase:
    segments = list(row.segments.all())
    match parameters.response_format:
        case "text":
            return HttpResponse(f"{row.text}\n", content_type="text/plain; charset=utf-8")
        case "srt":
            return HttpResponse(exports.subrip(segments), content_type="text/plain; charset=utf-8")
        case "vtt":
            return HttpResponse(exports.webvtt(segments), content_type="text/vtt; charset=utf-8")
        case "verbose_json":
            return JsonResponse(_verbose(row, segments, parameters.granularities) | {"usage": usage(row)})
    return JsonResponse({"text": row.text, "usage": usage(row)})


def _verbose(row: Transcription, segments: list[Segment], granularities: frozenset[str]) -> dict[str, Any]:
    body = exports.verbose(row, segments)
    if "segment" not in granularities:
        del body["segments"]
    return body | ({"words": exports.spoken_words(segments)} if "word" in granularities else {})


def usage(row: Transcription) -> dict[str, Any]:
    return {"type": "duration", "seconds": billed_seconds(row.recording.duration_seconds)}


def delta(text: str) -> bytes:
    return _event({"type": "transcript.text.delta", "delta": text})


def done(row: Transcription) -> bytes:
    return _event({"type": "transcript.text.done", "text": row.text, "usage": usage(row)})


def failed(body: dict[str, Any]) -> bytes:
    return _event(body)


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
