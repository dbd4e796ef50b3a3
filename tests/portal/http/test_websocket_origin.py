"""Whose pages may open a socket with a cookie."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from portal.http.websocket_origin import is_own


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "own"),
    [
        ("http://localhost:8000", "localhost:8000", "ws", True),
        ("http://localhost", "localhost:80", "ws", True),
        ("http://localhost:8001", "localhost:8000", "ws", False),
        ("http://localhost", "localhost:8000", "ws", False),
        ("https://localhost:8000", "localhost:8000", "ws", False),
        ("https://localhost", "localhost", "wss", True),
        ("https://portal.example", "10.0.0.7:8000", "ws", True),
        ("https://portal.example:8443", "10.0.0.7:8000", "ws", False),
        ("http://evil.example", "evil.example", "ws", False),
        ("http://localhost.evil.example:8000", "localhost:8000", "ws", False),
        ("null", "localhost:8000", "ws", False),
        ("http://localhost:port", "localhost:8000", "ws", False),
        ("file://localhost:8000", "localhost:8000", "ws", False),
        ("", "localhost:8000", "ws", False),
        ("http://[::1", "localhost:8000", "ws", False),
    ],
)
def test_the_whole_origin_counts(origin: str, host: str, scheme: str, own: bool, settings: LazySettings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://portal.example"]
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    assert is_own({"type": "websocket", "scheme": scheme, "headers": headers}) is own
