"""Lets only our own pages open a page's socket: compares whole origins, with scheme and port."""

from __future__ import annotations

from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from portal.http.asgi import Application, Receive, Scope, Send, header

PORTS = {"http": 80, "https": 443}
SCHEMES = {"ws": "http", "wss": "https"}
Origin = tuple[str, str, int]


class OwnOriginOnly:
    """ASGI middleware that refuses the handshake of other sites' pages."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.denier: Application = WebsocketDenier.as_asgi()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self.application if is_own(scope) else self.denier
        await application(scope, receive, send)


def is_own(scope: Scope) -> bool:
    """Returns whether the page's origin is the one that was asked, or one of CSRF_TRUSTED_ORIGINS."""
    own = {parsed(origin) for origin in settings.CSRF_TRUSTED_ORIGINS}
    host = header(scope, "host")
    if validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        own.add(parsed(f"{SCHEMES[scope.get('scheme', 'ws')]}://{host}"))
    origin = parsed(header(scope, "origin"))
    return origin is not None and origin in own


def parsed(origin: str) -> Origin | None:
    """Returns scheme, host and port, the default one if none is given; None for what is no web page's origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port
