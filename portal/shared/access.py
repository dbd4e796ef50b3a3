"""Who comes in by a share link.

The session says nothing here: members see what everybody sees. The one cookie is set where a link asks first, for a
password or since its openings are counted: it proves that its bearer has opened this link, and goes nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.http.mail_links import key_of
from portal.web.scripts import problem
from tenants import addresses, announcements, scope
from tenants.announcements import ReadingOnly
from tenants.throttle import Limit
from transcription.shares import guests, visits
from transcription.shares.models import Share

COOKIE = "opened"
HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True)
class Visit:
    """A request by a link that works. `is_in` says whether its bearer need not ask first, or has."""

    request: HttpRequest
    share: Share
    secret: str
    is_in: bool

    @property
    def address(self) -> str:
        """The client's."""
        return addresses.of_request(self.request)

    @cached_property
    def permissions(self) -> frozenset[str]:
        """What the link lets its holder do beside looking; what writes asks once more, under its lock."""
        return guests.permissions_of(self.share)

    def note_reading(self) -> None:
        if self.request.method != "HEAD":
            visits.note_reading(self.share, self.address)

    def url(self, name: str, **more: str) -> str:
        return reverse(f"shared:{name}", kwargs={"secret": self.secret, **more})

    def remember(self, response: HttpResponse) -> None:
        """Has the browser prove from now on that it opened the link."""
        response.set_cookie(
            COOKIE,
            visits.proof_of(self.share),
            max_age=visits.PROOF_LASTS,
            path=self.url("page"),
            secure=settings.SECURE,
            httponly=True,
            samesite="Lax",
        )


View = Callable[Concatenate[Visit, Parameters], HttpResponseBase]


def nowhere(request: HttpRequest) -> HttpResponse:
    """The answer to every link that does not work, whatever the cause; scripts of its page get it as JSON."""
    if "X-Visit" in request.headers:
        return problem(404, _("The link has ended. Load the page again."))
    return render(request, "shared/nowhere.html", status=404)


def by_link(view: View[Parameters]) -> Callable[..., HttpResponseBase]:
    """Finds the link, binds its tenant while the view runs, and gives every answer the headers of these pages."""

    @wraps(view)
    def guarded(request: HttpRequest, secret: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        secret = key_of(request) or secret
        share = visits.find(secret)
        if share is None:
            return with_headers(nowhere(request))
        is_in = not share.asks_first or visits.is_proof(share, request.COOKIES.get(COOKIE, ""))
        with scope.bound(share.tenant_id):
            return with_headers(view(Visit(request, share, secret, is_in), *args, **kwargs))

    return guarded


def inside(view: View[Parameters]) -> View[Parameters]:
    """Lets only those in who need not ask first, or have."""

    @wraps(view)
    def guarded(visit: Visit, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        return view(visit, *args, **kwargs) if visit.is_in else nowhere(visit.request)

    return guarded


def limited(limit: Limit) -> Callable[[View[Parameters]], View[Parameters]]:
    """Refuses an address that asks too often: what follows reads a whole text, for somebody without an account."""

    def decorated(view: View[Parameters]) -> View[Parameters]:
        @wraps(view)
        def guarded(visit: Visit, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
            if visits.takes(limit, visit.share, visit.address):
                return view(visit, *args, **kwargs)
            response = render(visit.request, "shared/busy.html", status=429)
            response["Retry-After"] = "60"
            return response

        return guarded

    return decorated


def writes(view: View[Parameters]) -> View[Parameters]:
    """Refuses, as JSON, where nobody changes anything of the organisation now, and an address or a link too fast."""

    @wraps(view)
    def guarded(visit: Visit, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        try:
            announcements.require_changes_in(visit.share.tenant)
        except ReadingOnly as only:
            return _later(problem(only.status, str(only)), only.retry_after)
        if not (visits.takes(visits.WRITINGS, visit.share, visit.address) and visits.takes_of_all(visit.share)):
            return _later(problem(429, _("That is too much at once. Wait a moment.")), 60)
        return view(visit, *args, **kwargs)

    return guarded


def _later(response: JsonResponse, seconds: int | None) -> JsonResponse:
    if seconds is not None:
        response["Retry-After"] = str(seconds)
    return response


def with_headers(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in HEADERS.items():
        response[name] = value
    return response
