"""OpenAI's audio endpoints in the schema: their views are no DRF views, so that they are written down here."""

from __future__ import annotations

from typing import Any

from portal.api.native.operations import SAME_KEY
from portal.api.native.schemas.recordings import FOLDER
from portal.api.openai.parameters import (
    FORM_OPTIONS,
    GRANULARITIES,
    RESPONSE_FORMATS,
    TRANSLATED_FORMATS,
    VOICE_ACTIVITY,
)
from transcription.intake.known_voices import MOST_VOICES
from transcription.models.speaker import LONGEST_NAME
from transcription.options.options import LONGEST_PROMPT, OPTIONS

Schema = dict[str, Any]
TAG = "openai"
OPENAIS_OWN = ("model", "prompt", "temperature", "language", "languages")

TEXT: Schema = {"type": "string"}
USAGE: Schema = {
    "type": "object",
    "required": ["type", "seconds"],
    "properties": {"type": {"type": "string", "enum": ["duration"]}, "seconds": {"type": "integer"}},
}
ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": TEXT,
                "type": TEXT,
                "param": {"type": "string", "nullable": True},
                "code": {"type": "string", "nullable": True},
            },
        }
    },
}
MODEL: Schema = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": TEXT,
        "object": {"type": "string", "enum": ["model"]},
        "created": {"type": "integer"},
        "owned_by": TEXT,
    },
}
SHORT: Schema = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": TEXT,
        "usage": USAGE,
        "task": TEXT,
        "language": {"type": "string", "description": "Its English name, such as “english”."},
        "duration": {"type": "number", "description": "Seconds."},
        "languages": {
            "type": "array",
            "description": "With the model `gpt-transcribe`, in json: the languages that were heard.",
            "items": {"type": "object", "required": ["code"], "properties": {"code": TEXT}},
        },
        "segments": {"type": "array", "items": {"type": "object"}},
        "words": {"type": "array", "items": {"type": "object"}},
        "warnings": {
            "type": "array",
            "description": "An extension of ours, where there are any: the codes of `X-Warnings` with their meaning.",
            "items": {"type": "object", "properties": {"code": TEXT, "message": TEXT}},
        },
        "audio_track": {"type": "integer", "description": "An extension of ours: which of several was taken."},
        "audio_tracks": {"type": "array", "description": "An extension of ours.", "items": {"type": "object"}},
    },
}
COMPONENTS: dict[str, Schema] = {"OpenAIError": ERROR, "Model": MODEL, "AudioTranscription": SHORT}

EXTENSIONS = [name for name in FORM_OPTIONS if name not in OPENAIS_OWN]


def _extension(schema: Schema) -> Schema:
    return schema | {"description": f"An extension of ours. {schema.get('description', '')}".strip()}


def _field(name: str) -> str:
    return f"{name}[]" if FORM_OPTIONS[name].is_list else name


FIELDS: dict[str, Schema] = {
    "file": {"type": "string", "format": "binary", "description": "Any media that holds sound."},
    "model": {
        "type": "string",
        "description": "`whisper-1`, or a name of `GET /v1/models`; `gpt-4o-transcribe-diarize` tells speakers apart.",
    },
    "prompt": {"type": "string", "description": f"The last {LONGEST_PROMPT} characters are used."},
    "response_format": {"type": "string", "enum": list(TRANSLATED_FORMATS), "default": "json"},
    "temperature": OPTIONS["temperature"].schema,
    "stream": {"type": "boolean", "default": False},
    "folder": {"type": "string", "description": f"An extension of ours. {FOLDER}"},
    **{_field(name): _extension(FORM_OPTIONS[name].schema) for name in EXTENSIONS},
}
LANGUAGE: dict[str, Schema] = {
    "response_format": {"type": "string", "enum": list(RESPONSE_FORMATS), "default": "json"},
    "language": OPTIONS["language"].schema,
    "languages[]": OPTIONS["languages"].schema,
    "timestamp_granularities[]": {
        "type": "array",
        "items": {"type": "string", "enum": list(GRANULARITIES)},
        "description": "`word` needs `response_format=verbose_json`.",
    },
    "chunking_strategy": {
        "oneOf": [
            {"type": "string", "enum": ["auto", VOICE_ACTIVITY]},
            {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"type": "string", "enum": ["auto", VOICE_ACTIVITY]}},
            },
        ],
        "description": "`server_vad` cuts at pauses, as `mode=fast` does.",
    },
    "keywords[]": {"type": "array", "items": TEXT, "description": "Names and terms, as `hotwords` are."},
    "include[]": {
        "type": "array",
        "items": {"type": "string", "enum": ["logprobs"]},
        "description": "Changes nothing here: Whisper keeps no log probabilities of tokens.",
    },
    "known_speaker_names[]": {
        "type": "array",
        "items": {"type": "string", "maxLength": LONGEST_NAME},
        "maxItems": MOST_VOICES,
        "description": "Names of speakers by their `known_speaker_references[]`, where speakers are asked for.",
    },
    "known_speaker_references[]": {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": MOST_VOICES,
        "description": "Data URLs of 2 to 10 seconds of each one's voice.",
    },
}
HEADERS: dict[str, Schema] = {
    "X-Warnings": {"schema": TEXT, "description": "Codes of what the reader of the text should know, with commas."},
    "X-Audio-Track": {"schema": {"type": "integer"}, "description": "Of several audio tracks, the one that was taken."},
}
FAILURES = {
    400: "An option is wrong; `param` names it.",
    401: "No live key.",
    402: "The quota is used up.",
    403: "The key may not do this.",
    404: "There is no such model.",
    409: "The transcription was cancelled.",
    410: "The text was deleted meanwhile.",
    413: "The file is larger than the limit, which the message names.",
    422: "The file holds no sound that could be read.",
    429: "Too many requests, or the quota is used up.",
    500: "Our fault; `x-request-id` helps us to find out.",
    503: "Starting again; try in a moment.",
    504: "It takes longer than a request may wait, and goes on.",
    507: "The server has no room for the upload.",
}


def paths() -> dict[str, Schema]:
    """OpenAPI's path items."""
    return {
        "/v1/audio/transcriptions": {"post": _audio("createTranscription", "Transcribe a file", FIELDS | LANGUAGE)},
        "/v1/audio/translations": {"post": _audio("createTranslation", "Translate a file into English", FIELDS)},
        "/v1/models": {"get": _models()},
        "/v1/models/{model}": {"get": _model()},
    }


def _audio(name: str, summary: str, fields: dict[str, Schema]) -> Schema:
    form = {"type": "object", "required": ["file", "model"], "properties": fields}
    done = {
        "application/json": {"schema": {"$ref": "#/components/schemas/AudioTranscription"}},
        **{media: {"schema": TEXT} for media in ("text/plain", "text/vtt", "text/event-stream")},
    }
    return {
        "operationId": name,
        "summary": summary,
        "tags": [TAG],
        "security": [{"key": []}],
        "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": TEXT, "description": SAME_KEY}],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {"200": {"description": "The text in the format asked for.", "headers": HEADERS, "content": done}}
        | _failures(),
    }


def _models() -> Schema:
    body = {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"type": "string", "enum": ["list"]},
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
        },
    }
    return _reading("listModels", "The models that are offered", body)


def _model() -> Schema:
    parameter = {"name": "model", "in": "path", "required": True, "schema": TEXT}
    found = _reading("retrieveModel", "One model", {"$ref": "#/components/schemas/Model"})
    return found | {"parameters": [parameter]}


def _reading(name: str, summary: str, body: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [TAG],
        "security": [{"key": []}],
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": body}}}} | _failures(),
    }


def _failures() -> dict[str, Schema]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
    return {str(status): {"description": text, "content": content} for status, text in FAILURES.items()}
