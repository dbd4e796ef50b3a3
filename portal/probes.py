"""/livez and /readyz, beside /health: whether to restart a web process, and whether to send it requests."""

from __future__ import annotations

from io import BytesIO

from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from portal.health import health
from portal.http.asgi import Application, Receive, Scope, Send
from portal.http.thread_pools import HEALTH, in_thread
from tenants.schema import missing_migrations


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """Answers, and asks nothing: what else is away is no reason to restart this process."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answers 503 until the database answers and has all migrations of this code."""
    try:
        missing = missing_migrations()
    except DatabaseError:
        return JsonResponse({"status": "down", "problems": ["the database does not answer"]}, status=503)
    if missing:
        problem = f"migrations are missing: {', '.join(missing)}. Run `manage.py migrate`"
        return JsonResponse({"status": "down", "problems": [problem]}, status=503)
    return JsonResponse({"status": "ok"})


PROBES = {"/health": health, "/livez": livez, "/readyz": readyz}


class ProbeMiddleware:
    """ASGI middleware that answers probes in one step, and those that ask something in a thread of their own.

    Django would send them to the shared threads and back for each part of its middleware, every time behind all
    requests that came at the same moment.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        probe = PROBES.get(scope["path"]) if scope["type"] == "http" else None
        if probe is None:
            await self.application(scope, receive, send)
            return
        request = ASGIRequest(dict(scope), BytesIO())
        response: HttpResponseBase = livez(request) if probe is livez else await in_thread(probe, HEALTH)(request)
        content = response.content if isinstance(response, JsonResponse) else b""
        response["Content-Length"] = len(content)
        response["Cache-Control"] = "no-store"
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})
