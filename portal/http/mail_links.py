"""Keeps the key of a link, from a mail or to a shared recording, out of the path: nothing that logs addresses sees it.

The key travels in the scope. Whatever logs or mails the path of this request, uvicorn's access log included, has
`set-password` in its place, or `link`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpRequest

from portal.http.asgi import Application, Receive, Scope, Send, scope_of

LINK = re.compile(r"^(/accounts/(?:password/reset/key/[0-9A-Za-z]+|invitations/[0-9a-f-]{36})-)([^/]+)/?$")
SHARE = re.compile(r"^/s/([^/]+)(/.*)?$", re.DOTALL)
SCOPE_KEY = "portal.mail_key"
NO_KEY = PasswordResetFromKeyView.reset_url_key
NO_SECRET = "link"  # noqa: S105 - stands where a secret was


class MailLinkMiddleware:
    """ASGI middleware that moves the key from the path to the scope.

    It adds the slash at the end where a mail program lost it: a redirect to the address with one would lose the key.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        link = LINK.match(scope["path"])
        if link and link[2] != NO_KEY:
            scope[SCOPE_KEY] = link[2]
            scope["path"] = f"{link[1]}{NO_KEY}/"
            scope["raw_path"] = scope["path"].encode("ascii")
        elif (share := SHARE.match(scope["path"])) and share[1] != NO_SECRET:
            scope[SCOPE_KEY] = share[1]
            scope["path"] = f"/s/{NO_SECRET}{share[2] or '/'}"
            scope["raw_path"] = quote(scope["path"]).encode("ascii")
        await self.application(scope, receive, send)


def key_of(request: HttpRequest) -> str:
    """Returns the key that this request came with; empty without one."""
    return str(scope_of(request).get(SCOPE_KEY, ""))
