"""Calls of the API for recordings by URL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.test import Client

JSON = "application/json"
UNKNOWN = UUID("00000000-0000-4000-8000-000000000000")


def order(api: Client, url: str, key: str = "", **more: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.post("/api/v1/recordings", {"url": url, **more}, JSON, headers=headers)
    assert answer.status_code == 202, answer.content
    assert answer.headers["Location"] == f"/api/v1/fetches/{answer.json()['id']}"
    return dict(answer.json())


def now(api: Client, made: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/api/v1/fetches/{made['id']}").json())
