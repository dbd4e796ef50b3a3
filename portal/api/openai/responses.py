"""The answers in OpenAI's five response formats, and the events of a streamed one."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from portal.api.openai.parameters import Parameters
from tenants.quota import billed_seconds
from transcription import exports
from transcription.media.warnings import codes_of
from transcription.models import Segment, Transcription

WARNINGS_HEADER = "X-Warnings"
TRACK_HEADER = "X-Audio-Track"


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
    body = exports.verbose_json(row, segments)
    if "segment" not in granularities:
        del body["segments"]
    return body | ({"words": exports.spoken_words(segments)} if "word" in granularities else {})


def headers_of(row: Transcription) -> dict[str, str]:
    """Returns the codes of warnings and, where there are several audio tracks, the number of the transcribed one."""
    codes = codes_of(row)
    warned = {WARNINGS_HEADER: ", ".join(codes)} if codes else {}
    return warned | ({TRACK_HEADER: str(row.audio_track_taken)} if len(row.recording.audio_tracks) > 1 else {})


def usage(row: Transcription) -> dict[str, Any]:
    return {"type": "duration", "seconds": billed_seconds(row.recording.duration_seconds)}


class StreamedTranscript:
    """Writes a transcript as events; the texts of all deltas together are the file in the format asked for."""

    def __init__(self, wanted: Parameters) -> None:
        self.segments = 0
        self._wanted = wanted

    def delta(self, segment: Segment) -> bytes:
        text, self.segments = self._text_of(segment), segment.index + 1
        return _event({"type": "transcript.text.delta", "delta": text})

    def done(self, row: Transcription) -> bytes:
        segments = list(row.segments.all())
        event = {"type": "transcript.text.done", "text": row.text, "usage": usage(row)} | exports.extra_fields(row)
        match self._wanted.response_format:
            case "srt":
                event["text"] = exports.subrip(segments)
            case "vtt":
                event["text"] = exports.webvtt(segments)
            case "verbose_json":
                event |= _verbose(row, segments, self._wanted.granularities)
        return _event(event)

    def _text_of(self, segment: Segment) -> str:
        match self._wanted.response_format:
            case "srt":
                return exports.subrip([segment], first=segment.index + 1)
            case "vtt":
                cue = exports.webvtt([segment])
                return cue.removeprefix(exports.WEBVTT_HEAD) if self.segments else cue
        return segment.text if self.segments else segment.text.lstrip()


def failed(body: dict[str, Any]) -> bytes:
    return _event(body)


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
