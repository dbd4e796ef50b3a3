"""A slash at the end of an API's address changes nothing, whatever the method and whoever reads the body."""

from __future__ import annotations

import re

from portal.http.uploads import Application, Receive, Scope, Send

WITH_SLASH = re.compile(r"/(v1|api/v1)/.*[^/]/|/health/")


class WithoutTrailingSlash:
    """ASGI middleware that takes the slash away before anything looks at the path.

    Django would redirect to the address with a slash, and most clients make a GET of a redirected POST.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and WITH_SLASH.fullmatch(scope["path"]):
            scope = {**scope, "path": scope["path"][:-1], "raw_path": scope.get("raw_path", b"").removesuffix(b"/")}
        await self.application(scope, receive, send)
