"""The table of routes: which row a request is, and how it is spelled before it is looked for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import get_resolver

from portal.http.routes import (
    ALWAYS,
    CHANGES,
    REMOVING,
    ROUTES,
    TUS_BYTES,
    Body,
    Credentials,
    RoutingMiddleware,
    is_slow,
    route_of,
)
from tests.portal.http.test_routes import routes

ID = "9b2f6c1e-0d5a-4f3e-8a57-1f2e3d4c5b6a"
REQUESTS = [
    ("POST", "/v1/audio/transcriptions", "", Credentials.KEY, Body.FILE, False),
    ("POST", "/v1/audio/translations", "", Credentials.KEY, Body.FILE, False),
    ("GET", "/v1/models", "", Credentials.KEY, Body.SMALL, False),
    ("GET", "/api/v1/recordings", "", Credentials.KEY, Body.SMALL, False),
    ("POST", "/api/v1/recordings", "Application/JSON; charset=utf-8", Credentials.KEY, Body.SMALL, True),
    ("POST", "/api/v1/recordings", "multipart/form-data; boundary=x", Credentials.KEY, Body.FILE, True),
    ("DELETE", f"/api/v1/recordings/{ID}", "", Credentials.KEY, Body.SMALL, True),
    ("GET", f"/api/v1/recordings/{ID}", "", Credentials.KEY, Body.SMALL, False),
    ("POST", "/recordings/", "", Credentials.SESSION, Body.FILE, True),
    ("GET", "/recordings/", "", Credentials.SESSION, Body.SMALL, False),
    ("POST", "/api/v1/uploads", TUS_BYTES, Credentials.KEY_OR_SESSION, Body.CHUNK, True),
    ("POST", "/api/v1/uploads", "", Credentials.KEY_OR_SESSION, Body.SMALL, True),
    ("PATCH", f"/api/v1/uploads/{ID}", "", Credentials.KEY_OR_SESSION, Body.CHUNK, True),
    ("HEAD", f"/api/v1/uploads/{ID}", "", Credentials.KEY_OR_SESSION, Body.SMALL, False),
    ("POST", f"/api/v1/uploads/multipart/{ID}/complete", "", Credentials.KEY_OR_SESSION, Body.SMALL, True),
    ("POST", f"/api/v1/uploads/multipart/{ID}/urls", "", Credentials.KEY_OR_SESSION, Body.SMALL, False),
    ("POST", f"/api/v1/places/{ID}/test", "", Credentials.KEY, Body.SMALL, True),
    ("POST", f"/rules/places/{ID}/test/", "", Credentials.SESSION, Body.SMALL, True),
    ("POST", f"/bin/{ID}/erase/", "", Credentials.SESSION, Body.SMALL, True),
    ("DELETE", f"/api/v1/videos/{ID}", "", Credentials.KEY, Body.SMALL, True),
    ("POST", "/voice/check/", "", Credentials.SESSION, Body.SMALL, True),
    ("GET", "/s/link/sound", "", Credentials.SESSION, Body.SMALL, True),
    ("GET", "/s/link/", "", Credentials.SESSION, Body.SMALL, False),
    ("GET", f"/accounts/login/organisation/{ID}/back/", "", Credentials.SESSION, Body.SMALL, False),
    ("POST", "/people/sign-in/test/", "", Credentials.SESSION, Body.SMALL, False),
    ("PATCH", f"/scim/v2/Users/{ID}", "", Credentials.DIRECTORY, Body.SMALL, False),
    ("POST", "/accounts/login/", "", Credentials.SESSION, Body.SMALL, False),
    ("POST", "/v1/audio/transcriptions\n", "", Credentials.KEY, Body.SMALL, False),
]


def scope_of(method: str, path: str, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": named}


@pytest.mark.parametrize(("method", "path", "content_type", "credentials", "body", "slow"), REQUESTS)
def test_a_request_has_the_row_that_is_meant(
    method: str, path: str, content_type: str, credentials: Credentials, body: Body, slow: bool
) -> None:
    scope = scope_of(method, path, content_type=content_type)
    route = route_of(scope)
    assert (route.credentials, route.body, is_slow(scope)) == (credentials, body, slow)


def test_no_row_is_shadowed_by_those_above_it() -> None:
    found = [route_of(scope_of(method, path, content_type=kind)) for method, path, kind, *_ in REQUESTS]
    assert set(ROUTES) <= set(found)


PAGES_CHANGE = re.compile(r"(?:.*/)?(([a-z]+)/<uuid>)/(delete|revoke|test)/")


def test_what_a_page_and_a_program_ask_for_alike_is_treated_alike() -> None:
    found, paths = set(), {re.sub("<uuid:.*?>", "<uuid>", path) for path in routes(get_resolver())}
    for page in filter(PAGES_CHANGE.fullmatch, paths):
        of, noun, verb = PAGES_CHANGE.fullmatch(page).groups()  # type: ignore[union-attr]
        method, api = ("POST", f"api/v1/{of}/test") if verb == "test" else ("DELETE", f"api/v1/{of}")
        if api in paths and noun != "recordings":  # the page puts them into the bin, DELETE erases them
            assert treatment("POST", page) == treatment(method, api), page
            found.add((noun, verb))
    assert {("videos", "delete"), ("places", "delete"), ("places", "test"), ("keys", "revoke")} <= found


def treatment(method: str, path: str) -> tuple[bool, bool, bool]:
    path = "/" + path.replace("<uuid>", ID)
    asked = f"{method} {path}"
    return is_slow(scope_of(method, path)), bool(ALWAYS.fullmatch(asked)), bool(REMOVING.fullmatch(asked))


def test_every_change_is_of_a_page_or_an_endpoint_that_there_is() -> None:
    there = [re.sub("<(uuid|int):.*?>", ID, one) for one in routes(get_resolver())]
    for change in CHANGES:
        for request in change.requests:
            wanted = re.compile(request.partition(" ")[2][1:].replace("{id}", ID))
            assert any(map(wanted.fullmatch, there)) or "scim" in request, request


@pytest.mark.parametrize(
    ("sent", "header", "heard"),
    [
        (("POST", "/v1/models/"), "", ("POST", "/v1/models")),
        (("GET", "/health/"), "", ("GET", "/health")),
        (("POST", "/recordings/"), "", ("POST", "/recordings/")),
        (("GET", "/api/v1/"), "", ("GET", "/api/v1/")),
        (("POST", f"/api/v1/uploads/{ID}/"), "patch", ("PATCH", f"/api/v1/uploads/{ID}")),
        (("POST", f"/api/v1/uploads/{ID}"), "PUT", ("POST", f"/api/v1/uploads/{ID}")),
        (("GET", f"/api/v1/uploads/{ID}"), "DELETE", ("GET", f"/api/v1/uploads/{ID}")),
        (("POST", f"/api/v1/recordings/{ID}"), "DELETE", ("POST", f"/api/v1/recordings/{ID}")),
    ],
)
async def test_paths_and_methods_are_spelled_one_way(
    sent: tuple[str, str], header: str, heard: tuple[str, str]
) -> None:
    seen: list[tuple[str, str]] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["method"], scope["path"]))

    async def nothing(*_: Any) -> Any:
        return {}

    await RoutingMiddleware(application)(scope_of(*sent, x_http_method_override=header), nothing, nothing)
    assert seen == [heard]
