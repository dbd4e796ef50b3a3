"""The answers in OpenAI's five response formats, and the events of a streamed one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from portal.api.openai.parameters import Parameters
from tenants.quota import billed_seconds
from transcription import exports
from transcription.media.warnings import codes_of
from transcription.models import Segment, Transcription
from transcription.options.speakers import OFF
from transcription.strikes import redacted, redacted_segments, spans_of

WARNINGS_HEADER = "X-Warnings"
TRACK_HEADER = "X-Audio-Track"


def response_of(row: Transcription, parameters: Parameters) -> HttpResponseBase:
    segments, names = redacted(row), exports.names_of(row)
    match parameters.response_format:
        case "text":
            return HttpResponse(f"{row.text}\n", content_type="text/plain; charset=utf-8")
        case "srt":
            return HttpResponse(exports.subrip(segments, names=names), content_type="text/plain; charset=utf-8")
        case "vtt":
            return HttpResponse(exports.webvtt(segments, names=names), content_type="text/vtt; charset=utf-8")
        case "verbose_json":
            return JsonResponse(_verbose(row, segments, parameters.granularities) | {"usage": usage(row)})
        case "diarized_json":
            return JsonResponse(_diarized(row, segments) | {"usage": usage(row)})
    return JsonResponse({"text": row.text} | _languages(row, parameters) | {"usage": usage(row)})


def _languages(row: Transcription, wanted: Parameters) -> dict[str, Any]:
    """Returns the languages that were heard, the most spoken first, where the model that was asked for tells them."""
    if not wanted.tells_languages:
        return {}
    heard = sorted(row.heard_languages, key=lambda code: -row.heard_languages[code])
    return {"languages": [{"code": code} for code in heard]}


def _verbose(row: Transcription, segments: list[Segment], granularities: frozenset[str]) -> dict[str, Any]:
    body = exports.verbose_json(row, segments)
    if "segment" not in granularities:
        del body["segments"]
    return body | ({"words": exports.spoken_words(segments)} if "word" in granularities else {})


def _diarized(row: Transcription, segments: list[Segment]) -> dict[str, Any]:
    return {
        "task": row.task,
        "duration": round(row.recording.duration_seconds, 3),
        "text": row.text,
        "segments": _diarized_segments(row, segments),
    } | exports.extra_fields(row)


def _diarized_segments(row: Transcription, segments: list[Segment]) -> list[dict[str, Any]]:
    """Returns OpenAI's diarized segments, which are also the events of a stream; nobody's have an empty speaker."""
    letters = _letters(row)
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{segment.index}",
            "start": segment.start,
            "end": segment.end,
            "speaker": letters.get(segment.speaker, ""),
            "text": segment.text.strip(),
        }
        for segment in segments
    ]


def _letters(row: Transcription) -> dict[int | None, str]:
    """Returns what OpenAI's API calls speakers, by index: their names, and A, B and so on for those without one."""
    unnamed = map(_letter, count())
    return {speaker.index: speaker.name or next(unnamed) for speaker in row.speaker_set.all()}


def _letter(number: int) -> str:
    """Returns A to Z, then AA, AB and so on."""
    rest, last = divmod(number, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("A") + last)


def headers_of(row: Transcription) -> dict[str, str]:
    """Returns the codes of warnings and, where there are several audio tracks, the number of the transcribed one."""
    codes = codes_of(row)
    warned = {WARNINGS_HEADER: ", ".join(codes)} if codes else {}
    return warned | ({TRACK_HEADER: str(row.audio_track_taken)} if len(row.recording.audio_tracks) > 1 else {})


def usage(row: Transcription) -> dict[str, Any]:
    return {"type": "duration", "seconds": billed_seconds(row.recording.duration_seconds)}


class StreamedTranscript:
    """Writes a transcript as events; the texts of all deltas together are the file in the format asked for.

    Who speaks is known at the end, where segments are divided between speakers: a format that says so comes then.
    """

    def __init__(self, wanted: Parameters, row: Transcription) -> None:
        self.segments = 0
        self._wanted = wanted
        self._spans = spans_of(row)
        self._is_divided = row.speakers != OFF
        self._waits = self._is_divided and wanted.response_format in ("srt", "vtt", "diarized_json")
        self._characters = 0

    def deltas(self, segments: Iterable[Segment]) -> Iterator[bytes]:
        """Yields what can be said of further segments while the transcription goes on."""
        for segment in () if self._waits else redacted_segments(segments, self._spans):
            text, self.segments = self._text_of(segment), segment.index + 1
            self._characters += len(text)
            yield _delta(text)

    def rest(self, row: Transcription) -> Iterator[bytes]:
        """Yields what is missing of a completed transcription."""
        segments = redacted(row)
        if self._wanted.response_format == "diarized_json":
            yield from map(_event, _diarized_segments(row, segments))
        elif not self._is_divided:
            yield from self.deltas(segments[self.segments :])
        elif text := self._whole(row, segments)[self._characters :]:
            yield _delta(text)

    def _whole(self, row: Transcription, segments: list[Segment]) -> str:
        match self._wanted.response_format:
            case "srt":
                return exports.subrip(segments, names=exports.names_of(row))
            case "vtt":
                return exports.webvtt(segments, names=exports.names_of(row))
        return "".join(segment.text for segment in segments).lstrip()

    def done(self, row: Transcription) -> bytes:
        segments = redacted(row)
        event = {"type": "transcript.text.done", "text": row.text, "usage": usage(row)}
        event |= _languages(row, self._wanted) | exports.extra_fields(row)
        match self._wanted.response_format:
            case "srt" | "vtt":
                event["text"] = self._whole(row, segments)
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


def _delta(text: str) -> bytes:
    return _event({"type": "transcript.text.delta", "delta": text})


def failed(body: dict[str, Any]) -> bytes:
    return _event(body)


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
