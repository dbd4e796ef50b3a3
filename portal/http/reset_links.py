"""A link for a new password is a secret that stands in an address: nothing that logs addresses may see it.

The key is taken out of the path before anything else knows of the request, and travels in the scope. What logs or
mails the path of this request, uvicorn's access log too, has `set-password` in its place.
"""

from __future__ import annotations

import re

from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpRequest

from portal.http.asgi import Application, Receive, Scope, Send

LINK = re.compile(r"^(/accounts/password/reset/key/[0-9A-Za-z]+-)([^/]+)/?$")
SCOPE_KEY = "portal.reset_key"
NO_KEY = PasswordResetFromKeyView.reset_url_key


class ResetLinkMiddleware:
    """Hands on the request with its key in the scope.

    The slash at the end is added where a mail program lost it: a redirect to the address with one would lose the key.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        link = LINK.match(scope["path"])
        if link and link[2] != NO_KEY:
            scope[SCOPE_KEY] = link[2]
            scope["path"] = f"{link[1]}{NO_KEY}/"
            scope["raw_path"] = scope["path"].encode("ascii")
        await self.application(scope, receive, send)


def key_of(request: HttpRequest) -> str:
    """The key that this request came with; empty where it brought none."""
    return str(getattr(request, "scope", {}).get(SCOPE_KEY, ""))
