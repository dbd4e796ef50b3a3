"""Django middleware that runs in the event loop: a base for our own, and others' that only look at headers.

Around an asynchronous view Django would take each of the others' to a thread and back, twice; none of them asks the
database or waits for anything. A database query in one raises SynchronousOnlyOperation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import markcoroutinefunction
from corsheaders.middleware import CorsMiddleware as Cors
from csp.middleware import CSPMiddleware as CSP
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as Authentication
from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware as XFrameOptions
from django.middleware.common import CommonMiddleware as Common
from django.middleware.csrf import CsrfViewMiddleware as Csrf
from django.middleware.locale import LocaleMiddleware as Locale
from django.middleware.security import SecurityMiddleware as Security
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from portal.http import sessions

UNUSED_FEATURES = (
    *("accelerometer", "camera", "display-capture", "encrypted-media", "gamepad", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "magnetometer", "midi", "payment", "picture-in-picture"),
    *("screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
"""Features that browsers know by name and no page uses; an unknown name is an error in their consoles."""
USED_FEATURES = ("microphone", "publickey-credentials-get")
PERMISSIONS_POLICY = ", ".join(
    [*(f"{feature}=(self)" for feature in USED_FEATURES), *(f"{feature}=()" for feature in UNUSED_FEATURES)]
)


class AsyncMiddleware:
    """Base of asynchronous middleware: calls the next one. Django calls `process_exception` in a thread."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return await self.get_response(request)


class RunsInLoop:
    """Mixin before a MiddlewareMixin: calls its `process_request` and `process_response` in the event loop."""

    get_response: Any

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        before, after = getattr(self, "process_request", None), getattr(self, "process_response", None)
        response: HttpResponseBase = (before and before(request)) or await self.get_response(request)
        return after(request, response) if after else response


class CorsMiddleware(Cors):
    """Changes nothing where no origin is allowed. Comes first, so that pages of those can read refusals too."""

    def is_enabled(self, request: HttpRequest) -> bool:
        return bool(settings.CORS_ALLOWED_ORIGINS) and super().is_enabled(request)


class SecurityMiddleware(RunsInLoop, Security):
    pass


class PrivacyMiddleware(RunsInLoop, MiddlewareMixin):
    """Forbids caches to keep an answer, and pages to use any feature but the microphone.

    A caller may keep an answer that has an ETag, and revalidates it.
    """

    def process_response(self, _request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.has_header("ETag"):
            response.setdefault("Cache-Control", "private, no-cache")
        response.setdefault("Cache-Control", "private, no-store")
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response


class CSPMiddleware(RunsInLoop, CSP):
    pass


class LocaleMiddleware(RunsInLoop, Locale):
    pass


class PermanentRedirect(HttpResponsePermanentRedirect):
    """308: a POST stays a POST."""

    status_code = 308


class CommonMiddleware(RunsInLoop, Common):
    """Redirects to a page's address with a slash where that is missing."""

    response_redirect_class = PermanentRedirect


class CsrfViewMiddleware(RunsInLoop, Csrf):
    pass


class AuthenticationMiddleware(RunsInLoop, Authentication):
    """Knows nobody by a session whose provider's word no longer holds."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: sessions.user_of(request))  # type: ignore[assignment]


class XFrameOptionsMiddleware(RunsInLoop, XFrameOptions):
    pass
