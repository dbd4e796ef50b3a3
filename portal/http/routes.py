"""Which credentials, body and threads each route takes: all that is decided before Django sees a request.

The first row of ROUTES that matches holds; `{id}` is a UUID. The last two rows match whatever is named above them in no
row. CHANGES says more of what pages and programs ask for alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from django.conf import settings

from portal.http.asgi import Application, Receive, Scope, Send, header

JSON = "application/json"
TUS_BYTES = "application/offset+octet-stream"
JSON_BYTES: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
FORM_BYTES = 2 * 1024**2
VOICE_BYTES = 12 * 1024**2
"""Three sentences, which a browser without scripts may send as WAV."""

HEALTH = "/health"
PROBES = (HEALTH, "/livez", "/readyz")
METHOD_OVERRIDE = "x-http-method-override"
SCOPE_KEY = "portal.route"


class Credentials(Enum):
    """What a request may identify its sender by."""

    KEY = "key"
    SESSION = "session"
    KEY_OR_SESSION = "key or session"
    DIRECTORY = "token of a directory"


class Body(Enum):
    """Who takes a request's body."""

    SMALL = "Django, up to Route.body_bytes"
    FILE = "portal.http.uploads: multipart/form-data with one file"
    CHUNK = "portal.http.tus: bytes of a resumable upload"


@dataclass(frozen=True)
class Route:
    """A row of the table. `methods` or `content_type` that are empty match any."""

    methods: str
    path: str
    credentials: Credentials
    body: Body = Body.SMALL
    body_bytes: int = JSON_BYTES
    content_type: str = ""
    is_slow: bool = False
    """Its view probes and stores a recording, or asks the object storage: it runs in threads of its own kind."""
    asks_provider: bool = False
    """Its view asks a tenant's own provider, which may be slow on purpose: it runs in a few threads of that kind."""
    sees_disconnect: bool = False
    """Its view sees to it that what was begun is finished. Others are not told of a client that disconnects, or the
    file would go while a thread still stores it."""

    def matches(self, method: str, path: str, content_type: str) -> bool:
        if self.methods and method not in self.methods.split():
            return False
        if self.content_type and content_type != self.content_type:
            return False
        return PATTERNS[self.path].fullmatch(path) is not None


ROUTES = (
    Route("POST", "/v1/audio/(transcriptions|translations)", Credentials.KEY, Body.FILE, sees_disconnect=True),
    Route("POST", "/api/v1/recordings", Credentials.KEY, content_type=JSON, is_slow=True),
    Route("POST", "/api/v1/recordings", Credentials.KEY, Body.FILE, is_slow=True),
    Route("POST", "/recordings/", Credentials.SESSION, Body.FILE, is_slow=True),
    Route("", "/accounts/login/organisation/{id}/.*", Credentials.SESSION, body_bytes=FORM_BYTES, asks_provider=True),
    Route("POST", "/people/sign-in/(test/)?", Credentials.SESSION, body_bytes=FORM_BYTES, asks_provider=True),
    Route("POST", "/voice/(check/)?", Credentials.SESSION, body_bytes=VOICE_BYTES, is_slow=True),
    Route("", "/s/[^/]+/sound", Credentials.SESSION, is_slow=True),
    Route("POST", "/api/v1/uploads", Credentials.KEY_OR_SESSION, Body.CHUNK, content_type=TUS_BYTES, is_slow=True),
    Route("POST", "/api/v1/uploads", Credentials.KEY_OR_SESSION, is_slow=True),
    Route("PATCH", "/api/v1/uploads/{id}", Credentials.KEY_OR_SESSION, Body.CHUNK, is_slow=True),
    Route("", "/api/v1/uploads/multipart(/{id}(/complete)?)?", Credentials.KEY_OR_SESSION, is_slow=True),
    Route("", "/api/v1/uploads(/.*)?", Credentials.KEY_OR_SESSION),
    Route("", "/api/v1/.*", Credentials.KEY),
    Route("", "/scim/v2(/.*)?", Credentials.DIRECTORY, body_bytes=FORM_BYTES),
    Route("", "/v1/.*", Credentials.KEY, body_bytes=FORM_BYTES),
    Route("", ".*", Credentials.SESSION, body_bytes=FORM_BYTES),
)
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PATTERNS = {route.path: re.compile(route.path.replace("{id}", UUID), re.DOTALL) for route in ROUTES}
WITH_SLASH = re.compile(rf"/(v1|api/v1)/.*[^/]/|({'|'.join(PROBES)})/", re.DOTALL)


@dataclass(frozen=True)
class Change:
    """What people and programs ask for in their own ways: method and path of the page's request and of the API's.

    Paths may be regular expressions. All that is said of a change holds for both.
    """

    page: str = ""
    api: str = ""
    is_slow: bool = False
    """As Route.is_slow."""
    is_always_allowed: bool = False
    """It is refused neither in maintenance nor before a suspension: it changes nothing of the tenant's, or lets
    somebody in no longer."""
    removes: bool = False
    """Maintenance refuses it, but not a suspension that is to come: what is there is removed, or brought back, and the
    directory's people come and go."""

    @property
    def requests(self) -> list[str]:
        return [request for request in (self.page, self.api) if request]


CHANGES = (
    Change("POST /recordings/many/(count/|transcripts.zip)", is_always_allowed=True),
    Change("POST /recordings/substitutions/hits/", is_always_allowed=True),
    Change("POST /transcriptions/{id}/hits/", is_always_allowed=True),
    Change("POST /rules/preview/", "POST /api/v1/rules/preview", is_always_allowed=True),
    Change("POST /(notices|announcements)/[^/]+/dismiss/", is_always_allowed=True),
    Change("", "POST /api/v1/socket-tickets", is_always_allowed=True),
    Change("POST /shares/revoke/", "POST /api/v1/shares/revoke", is_slow=True, is_always_allowed=True),
    Change(
        "POST /shares/{id}/revoke/",
        "DELETE /api/v1/recordings/{id}/shares/{id}",
        is_slow=True,
        is_always_allowed=True,
    ),
    Change("POST /people/[^/]+/remove/", is_slow=True, is_always_allowed=True),
    Change("POST /folders/{id}/members/[^/]+/remove/", is_slow=True, is_always_allowed=True),
    Change("POST /(invitations|people/directory)/{id}/revoke/", is_always_allowed=True),
    Change("POST /keys/{id}/revoke/", "DELETE /api/v1/keys/{id}", is_always_allowed=True),
    Change("POST /keys/{id}/end-old-secret/", "DELETE /api/v1/keys/{id}/old-secret", is_always_allowed=True),
    Change("POST /webhooks/{id}/pause/", is_always_allowed=True),
    Change("POST /preferences/(access|addresses)/", "PATCH /api/v1/preferences/access", is_always_allowed=True),
    Change("POST /recordings/many/", removes=True),  # its body says what it does
    Change("POST /recordings/{id}/delete/", "PUT /api/v1/recordings/{id}/bin", removes=True),
    Change("POST /recordings/{id}/restore/", "DELETE /api/v1/recordings/{id}/bin", removes=True),
    Change("POST /bin/{id}/erase/", "DELETE /api/v1/recordings/{id}", is_slow=True, removes=True),
    Change("POST /bin/", "DELETE /api/v1/bin", removes=True),
    Change("POST /videos/{id}/delete/", "DELETE /api/v1/videos/{id}", is_slow=True, removes=True),
    Change("POST /shares/{id}/comments/delete/", "DELETE /api/v1/recordings/{id}/shares/{id}/comments", removes=True),
    Change("POST /voice/revoke/", removes=True),
    Change("POST /webhooks/{id}/delete/", "DELETE /api/v1/webhooks/{id}", removes=True),
    Change("POST /rules/places/{id}/delete/", "DELETE /api/v1/places/{id}", removes=True),
    Change("POST /rules/places/{id}/test/", "POST /api/v1/places/{id}/test", is_slow=True),
    Change("", "DELETE /api/v1/uploads/(multipart/)?{id}", removes=True),
    Change("", "[A-Z]+ /scim/v2/.*", removes=True),
)


def _asked_by(changes: Iterable[Change]) -> re.Pattern[str]:
    requests = [request for change in changes for request in change.requests]
    return re.compile("|".join(requests).replace("{id}", UUID), re.DOTALL)


SLOW = _asked_by(change for change in CHANGES if change.is_slow)
ALWAYS = _asked_by(change for change in CHANGES if change.is_always_allowed)
REMOVING = _asked_by(change for change in CHANGES if change.removes)
OVERRIDABLE = re.compile(rf"/api/v1/uploads(/{UUID})?")
OVERRIDING = ("HEAD", "PATCH", "DELETE")


def route_of(scope: Scope) -> Route:
    """Returns the row of an HTTP request, which is looked for once."""
    if SCOPE_KEY not in scope:
        content_type = header(scope, "content-type").partition(";")[0].strip().lower()
        asked = (scope["method"], scope["path"], content_type)
        scope[SCOPE_KEY] = next(route for route in ROUTES if route.matches(*asked))
    route: Route = scope[SCOPE_KEY]
    return route


def is_slow(scope: Scope) -> bool:
    """Returns whether a request runs in the threads of what is slow."""
    return route_of(scope).is_slow or SLOW.fullmatch(f"{scope['method']} {scope['path']}") is not None


class RoutingMiddleware:
    """ASGI middleware that spells an API's path and method as the table and Django's URLs do.

    A slash at the end changes nothing: Django would redirect to the address with a slash, and most clients make a GET
    of a redirected POST. `X-HTTP-Method-Override` of a POST is for tus clients that know no PATCH or DELETE.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if WITH_SLASH.fullmatch(scope["path"]):
                scope["path"] = scope["path"][:-1]
                scope["raw_path"] = scope.get("raw_path", b"").removesuffix(b"/")
            if scope["method"] == "POST" and OVERRIDABLE.fullmatch(scope["path"]):
                wanted = header(scope, METHOD_OVERRIDE).strip().upper()
                scope["method"] = wanted if wanted in OVERRIDING else "POST"
        await self.application(scope, receive, send)
