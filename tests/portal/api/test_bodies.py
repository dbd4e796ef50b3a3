"""What the native API's JSON bodies may say: a field that nobody knows is named and not ignored."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.api.test_scopes import AGREED, address_of
from tests.portal.web.conftest import make_transcription

pytestmark = pytest.mark.django_db
SEGMENT = {"start": 0.0, "end": 1.0, "text": "Hello."}
UNKNOWN: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/v1/recordings", {"url": "https://acme.example/board.mp3"}),
    ("POST", "/api/v1/recordings/{recording}/transcriptions", {}),
    ("POST", "/api/v1/transcriptions/{transcription}/retry", {}),
    ("POST", "/api/v1/transcriptions/{transcription}/translation", {}),
    ("POST", "/api/v1/transcriptions/{transcription}/videos", {"kind": "mkv"}),
    ("POST", "/api/v1/keys", {"name": "x"}),
    ("PATCH", "/api/v1/keys/{key}", {"name": "x"}),
    ("POST", "/api/v1/keys/{key}/rotate", {}),
    ("POST", "/api/v1/webhooks", {"url": "https://acme.example/hook"}),
    ("PATCH", "/api/v1/webhooks/{webhook}", {"description": "x"}),
    (
        "POST",
        "/api/v1/substitutions",
        {"find": "a", "transcripts": [{"transcription": "00000000-0000-4000-8000-000000000000", "revision": 0}]},
    ),
    ("POST", "/api/v1/terms", {"text": "Acme"}),
    ("PATCH", "/api/v1/terms/{term}", {"note": "x"}),
    ("POST", "/api/v1/folders", {"name": "Plans"}),
    ("PATCH", "/api/v1/folders/{folder}", {"restricted": True}),
    ("PATCH", "/api/v1/recordings/{recording}", {"name": "Board"}),
    ("PUT", "/api/v1/recordings/{recording}/folder", {"folder": "none"}),
    ("PUT", "/api/v1/recordings/{recording}/hold", {"reason": "Lawsuit"}),
    ("PUT", "/api/v1/folders/{folder}/retention", {"audio_days": 30, "text_days": None}),
    ("PUT", "/api/v1/tags/{tag}/retention", {"audio_days": 30, "text_days": None}),
    ("POST", "/api/v1/places", {"name": "Archive", "kind": "folder"}),
    ("PATCH", "/api/v1/places/{place}", {"paused": True}),
    ("POST", "/api/v1/rules", {"name": "Calls", "effects": {"text_days": 30}}),
    ("PATCH", "/api/v1/rules/{rule}", {"active": False}),
    ("POST", "/api/v1/rules/preview", {"conditions": {"file": "*.mp3"}}),
    ("POST", "/api/v1/tags", {"name": "Board"}),
    ("PATCH", "/api/v1/preferences", {"hotwords": "Acme"}),
    ("PATCH", "/api/v1/preferences/access", {"bars_support": True}),
    ("POST", "/api/v1/views", {"name": "Held", "query": {}}),
    ("PATCH", "/api/v1/views/{view}", {"name": "Held"}),
    ("PATCH", "/api/v1/tags/{tag}", {"colour": 1}),
    ("POST", "/api/v1/tags/{tag}/merge", {"into": "x"}),
    ("POST", "/api/v1/recordings/{recording}/tags", {"name": "Board"}),
    ("POST", "/api/v1/recordings/{recording}/comments", {"start": 0.0, "end": 1.0}),
    ("PATCH", "/api/v1/recordings/{recording}/comments/{comment}", {"resolved": True}),
    ("POST", "/api/v1/recordings/{recording}/shares", {"label": "For Guest"}),
    ("POST", "/api/v1/shares/revoke", {"made_by": "x"}),
    ("PUT", "/api/v1/transcriptions/{transcription}/segments", {"segments": []}),
    ("PATCH", "/api/v1/transcriptions/{transcription}/segments/0", {"text": "x"}),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/0/split", {"position": 2}),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/0/check", {"first": 0}),
    ("POST", "/api/v1/transcriptions/{transcription}/rehearings", {"first": 0, "last": 0}),
    ("POST", "/api/v1/transcriptions/{transcription}/strikes", {"first": 0}),
    ("POST", "/api/v1/transcriptions/{transcription}/revert", {"revision": 0}),
    ("PATCH", "/api/v1/transcriptions/{transcription}/speakers/0", {"name": "x"}),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/substitute", {"find": "a", "replacement": "b"}),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/shift", {"seconds": 0.1}),
    ("POST", "/api/v1/transcriptions/{transcription}/speakers/0/merge", {"into": 1}),
    ("POST", "/api/v1/transcriptions/{transcription}/speakers/assign", {"first": 0, "last": 0}),
    ("POST", "/api/v1/uploads/multipart", {"name": "board.mp3", "length": 1000}),
]


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN)
def test_an_unknown_field_is_named_with_those_that_are_known(
    method: str, path: str, body: dict[str, Any], alice: Character, client: Client
) -> None:
    address = address_of(path, make_transcription(alice.tenant), alice)
    answer = send(client, method, address, bearer(alice) | AGREED, body | {"flavour": "red"})
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "invalid_value", "flavour")
    assert "“flavour”" in answer.json()["detail"]
    assert all(name in answer.json()["detail"] for name in body)


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN)
def test_a_body_without_a_length_is_refused_and_not_taken_for_none(
    method: str, path: str, body: dict[str, Any], alice: Character, client: Client
) -> None:
    address = address_of(path, make_transcription(alice.tenant), alice)
    headers = bearer(alice) | AGREED | {"Transfer-Encoding": "chunked"}
    stream: dict[str, Any] = {"wsgi.input": BytesIO(json.dumps(body).encode()), "CONTENT_TYPE": "application/json"}
    answer: Any = client.generic(method, address, headers=headers, **stream)
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")
    assert "Content-Length" in answer.json()["detail"]


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object in it, at any depth."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield schema
        for inner in schema.values():
            yield from objects_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects_of(inner)


def resolved(part: Any, components: dict[str, Any]) -> Any:
    """The schema with its references replaced by what they refer to."""
    if isinstance(part, list):
        return [resolved(inner, components) for inner in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return resolved(components[part["$ref"].rpartition("/")[2]], components)
    return {name: resolved(inner, components) for name, inner in part.items()}


def test_the_schema_says_so_of_every_json_body(client: Client) -> None:
    whole = client.get("/api/openapi.json").json()
    paths = resolved(whole["paths"], whole["components"]["schemas"])
    bodies = {
        (method, path): list(objects_of(operation["requestBody"]["content"]["application/json"]["schema"]))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    told = {
        place
        for place, objects in bodies.items()
        if objects and all(one.get("additionalProperties") is False for one in objects)
    }
    of_options = [line for line in UNKNOWN if not line[1].endswith(("retry", "translation"))]
    assert len(told) == len(of_options) + 1, "and that of the parts' URLs"
    form = paths["/api/v1/recordings"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert "additionalProperties" not in form


def test_segments_may_come_back_as_they_were_read(alice: Character, client: Client) -> None:
    row, headers = make_transcription(alice.tenant), bearer(alice) | AGREED
    address = f"/api/v1/transcriptions/{row.id}/segments"
    read = send(client, "GET", address, headers).json()["segments"]
    assert send(client, "PUT", address, headers, {"segments": read}).status_code == 200
    answer = send(client, "PUT", address, headers, {"segments": [SEGMENT | {"colour": "red"}]})
    assert (answer.status_code, answer.json()["param"]) == (400, "colour")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": None}, "name"),
        ({"name": "half a \ud800"}, "name"),
        ({"name": "x", "addresses": None}, "addresses"),
        ({"name": "x", "\ud800": 1}, "?"),
    ],
)
def test_a_key_s_limits_are_never_null(body: Any, param: str, alice: Character, client: Client) -> None:
    answer = send(client, "POST", "/api/v1/keys", bearer(alice), body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


BAD = {
    "deep": b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "twice": b'{"name": "a", "name": "b"}',
    "twice inside": b'{"parts": [{"number": 1, "number": 2}]}',
    "infinite": b'{"temperature": -Infinity}',
    "not utf-8": b'{"name": "\xe9"}',
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_ambiguous_or_endless_json_is_refused(body: bytes, alice: Character, client: Client) -> None:
    answer = client.post("/api/v1/keys", body, content_type="application/json", headers=bearer(alice))
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert answer.json()["detail"]


def test_json_is_utf_8_whatever_python_could_decode(alice: Character, client: Client) -> None:
    body = zlib.compress(b'{"name": "' + b"a" * 1000 + b'"}')
    kind = "application/json; charset=zlib"
    answer: Any = client.generic("POST", "/api/v1/keys", body, content_type=kind, headers=bearer(alice))
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_charset")


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/api/v1/recordings/{recording}/comments", {"start": 0.0, "end": 1.0, "text": "?"}, "text"),
        ("PATCH", "/api/v1/recordings/{recording}/comments/{comment}", {"text": "?"}, "text"),
        ("PATCH", "/api/v1/webhooks/{webhook}", {"status": "?"}, "status"),
        ("POST", "/api/v1/transcriptions/{transcription}/videos", {"kind": "?"}, "kind"),
        ("PATCH", "/api/v1/transcriptions/{transcription}/segments/0", {"text": "?"}, "text"),
        ("PATCH", "/api/v1/transcriptions/{transcription}/speakers/0", {"name": "?"}, "name"),
        (
            "POST",
            "/api/v1/transcriptions/{transcription}/segments/substitute",
            {"find": "a", "replacement": "?"},
            "replacement",
        ),
    ],
)
@pytest.mark.parametrize("bad", ["a\x00b", "a\ud83d"])
def test_nul_and_half_a_character_are_refused_in_every_text(
    method: str, path: str, body: dict[str, Any], param: str, bad: str, alice: Character, client: Client
) -> None:
    address = address_of(path, make_transcription(alice.tenant), alice)
    sent = {name: bad if value == "?" else value for name, value in body.items()}
    answer = send(client, method, address, bearer(alice) | AGREED, sent)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


def test_a_video_names_the_text_beside_by_its_id(alice: Character, client: Client) -> None:
    row = make_transcription(alice.tenant)
    address = f"/api/v1/transcriptions/{row.id}/videos"
    beside = make_transcription(alice.tenant)
    other = send(client, "POST", address, bearer(alice), {"kind": "mkv", "beside": str(beside.id)})
    nothing = send(client, "POST", address, bearer(alice), {"kind": "mkv", "beside": "x"})
    assert (other.status_code, other.json()["param"]) == (400, "beside"), "one of another recording"
    assert (nothing.status_code, nothing.json()["detail"]) == (400, "“beside” must be an id.")
