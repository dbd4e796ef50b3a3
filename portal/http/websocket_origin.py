"""A page's socket is opened by our own pages alone: the origin is compared whole, with its scheme and its port."""

from __future__ import annotations

from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from portal.http.asgi import Application, Receive, Scope, Send

PORTS = {"http": 80, "https": 443}
SCHEMES = {"ws": "http", "wss": "https"}
Origin = tuple[str, str, int]


class OwnOriginOnly:
    """ASGI middleware: refuses the handshake of everybody else's pages."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.denier: Application = WebsocketDenier.as_asgi()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self.application if is_own(scope) else self.denier
        await application(scope, receive, send)


def is_own(scope: Scope) -> bool:
    """Whether the page has the address that was asked, or one of CSRF_TRUSTED_ORIGINS."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    own = {parsed(origin) for origin in settings.CSRF_TRUSTED_ORIGINS}
    host = headers.get(b"host", "")
    if validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        own.add(parsed(f"{SCHEMES[scope.get('scheme', 'ws')]}://{host}"))
    origin = parsed(headers.get(b"origin", ""))
    return origin is not None and origin in own


def parsed(origin: str) -> Origin | None:
    """The scheme, the host and the port, said or not; None for what is no web page's origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port
