"""Others' middleware that only looks at headers: run where it stands, in the event loop.

Around an asynchronous view Django would take each of them to a thread and back, twice; none of them asks the database
or waits for anything. A database query in one would raise SynchronousOnlyOperation.
"""

from __future__ import annotations

from typing import Any

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

NOTHING = (
    *("accelerometer", "camera", "display-capture", "encrypted-media", "gamepad", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "magnetometer", "midi", "payment", "picture-in-picture", "publickey-credentials-get"),
    *("screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
"""What browsers know by name and no page of ours asks for; an unknown name is an error in their consoles."""
PERMISSIONS_POLICY = ", ".join(["microphone=(self)", *(f"{feature}=()" for feature in NOTHING)])


class InTheLoop:
    """Stands before a MiddlewareMixin among the bases."""

    get_response: Any

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        before, after = getattr(self, "process_request", None), getattr(self, "process_response", None)
        response: HttpResponseBase = (before and before(request)) or await self.get_response(request)
        return after(request, response) if after else response


class CorsMiddleware(Cors):
    """Changes nothing where no origin is allowed. Stands first, so that refusals can be read too."""

    def is_enabled(self, request: HttpRequest) -> bool:
        return bool(settings.CORS_ALLOWED_ORIGINS) and super().is_enabled(request)


class SecurityMiddleware(InTheLoop, Security):
    pass


class PrivacyMiddleware(InTheLoop, MiddlewareMixin):
    """Lets no cache keep what was said to one caller, and pages use nothing but the microphone.

    What has an ETag may be kept by the caller, and is asked for again.
    """

    def process_response(self, _request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.has_header("ETag"):
            response.setdefault("Cache-Control", "private, no-cache")
        response.setdefault("Cache-Control", "private, no-store")
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response


class CSPMiddleware(InTheLoop, CSP):
    pass


class LocaleMiddleware(InTheLoop, Locale):
    pass


class PermanentRedirect(HttpResponsePermanentRedirect):
    """308: what was a POST stays one."""

    status_code = 308


class CommonMiddleware(InTheLoop, Common):
    """Redirects to the page's address with a slash where that is missing."""

    response_redirect_class = PermanentRedirect


class CsrfViewMiddleware(InTheLoop, Csrf):
    pass


class AuthenticationMiddleware(InTheLoop, Authentication):
    pass


class XFrameOptionsMiddleware(InTheLoop, XFrameOptions):
    pass
