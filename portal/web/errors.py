"""Error responses: pages for people, JSON for programs."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template import loader
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from portal.http.async_middleware import AsyncMiddleware
from portal.http.body_limit import exceeded_limit
from portal.http.error_bodies import PROBLEM_TYPE, openai_error_body, problem_body
from portal.http.outage import AWAY, RETRY_HEADERS, log_outage
from portal.http.statuses import status_of
from portal.web.tenant import memberships
from tenants import session_access
from tenants.announcements import ReadingOnly
from tenants.api_keys import ADDRESS
from tenants.session_access import AddressRefused, NotSignedIn, SecondFactorMissing, TenantMismatch
from transcription.errors import Refused

FOR_PROGRAMS = ("/v1/", "/api/")
NATIVE = "/api/"
CODES = {
    400: "bad_request",
    401: "signed_out",
    403: "forbidden",
    404: "not_found",
    409: "other_tenant",
    413: "body_too_large",
    500: "server_error",
    503: "unavailable",
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400, _("The request could not be understood."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, str(exception))


def signed_out(request: HttpRequest) -> HttpResponse:
    """Answers scripts with 401, and redirects other requests to the sign-in page."""
    if _wants_json(request):
        return _problem(request, 401, _("You are signed out. Sign in on another tab, then try again."))
    return redirect_to_login(request.get_full_path())


def other_tenant(request: HttpRequest, error: TenantMismatch) -> HttpResponse:
    if _wants_json(request):
        return _problem(request, 409, str(error))
    return render(request, "409.html", {"error": error, "actor": None, "notices": []}, status=409)


def address_refused(request: HttpRequest, error: AddressRefused) -> HttpResponse:
    """Answers 403, and offers people their organisations that let them in."""
    if _wants_json(request):
        return _problem(request, 403, str(error), ADDRESS)
    others = [member.tenant for member in memberships(request) if session_access.lets_in(member.tenant, error.address)]
    context = {"exception": error, "others": others, "actor": None, "notices": []}
    return render(request, "address_refused.html", context, status=403)


def second_factor_missing(request: HttpRequest, error: SecondFactorMissing) -> HttpResponse:
    """Answers scripts with 403, and leads people to where they set one up."""
    return _problem(request, 403, str(error)) if _wants_json(request) else redirect("mfa_index")


def reading_only(request: HttpRequest, error: ReadingOnly) -> HttpResponse:
    """Answers 503 with `Retry-After` in maintenance, 403 before a suspension."""
    if _wants_json(request):
        response: HttpResponse = _problem(request, error.status, str(error), error.code)
    else:
        response = render(request, "paused.html", {"exception": error, "status": error.status}, status=error.status)
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    return response


def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """Answers what a view does not say itself: that an organisation is being deleted, or a recording on hold, say."""
    status = status_of(error.code)
    if _wants_json(request):
        return _problem(request, status, error.message, error.code)
    return render(request, "refused.html", {"exception": error, "status": status}, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, _("There is nothing at this address."))


def too_large(request: HttpRequest, limit: int) -> HttpResponse:
    return _answer(request, 413, _("The body is larger than %(limit)s.") % {"limit": filesizeformat(limit)})


def server_error(request: HttpRequest) -> HttpResponse:
    """Uses neither the database nor the session, as either may be the cause."""
    if _wants_json(request):
        return _problem(request, 500, _("Something went wrong on our side. Please try again."))
    return HttpResponse(loader.render_to_string("500.html"), status=500)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Uses neither the database nor the session."""
    if _wants_json(request):
        response: HttpResponse = _problem(request, 503, _("The service is starting again. Please try in a moment."))
    else:
        response = HttpResponse(loader.render_to_string("503.html"), status=503)
    for name, value in RETRY_HEADERS.items():
        response[name] = value
    return response


def _answer(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if _wants_json(request):
        return _problem(request, status, message)
    return render(request, f"{status}.html", {"exception": message}, status=status)


def _wants_json(request: HttpRequest) -> bool:
    by_script = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    is_page = request.resolver_match is not None and request.resolver_match.app_name == "web"
    is_api = f"{request.path}/".startswith(FOR_PROGRAMS)
    by_program = is_api and not is_page  # some pages are about the API, below /api/
    return by_script or by_program or request.headers.get("Accept") == "application/json"


class ErrorMiddleware(AsyncMiddleware):
    """Answers what Django has no handler for: large bodies, what tenants.session_access raises, refusals, outages."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        limit = exceeded_limit(request)
        if limit is not None:
            return await sync_to_async(too_large)(request, limit)  # its page may read the session
        return await self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, NotSignedIn):
            return signed_out(request)
        if isinstance(error, TenantMismatch):
            return other_tenant(request, error)
        if isinstance(error, AddressRefused):
            return address_refused(request, error)
        if isinstance(error, SecondFactorMissing):
            return second_factor_missing(request, error)
        if isinstance(error, ReadingOnly):
            return reading_only(request, error)
        if isinstance(error, Refused):
            return refused(request, error)
        if isinstance(error, AWAY):
            log_outage(error)
            return unavailable(request)
        return None


def _problem(request: HttpRequest, status: int, message: str, code: str = "") -> JsonResponse:
    if request.path.startswith(NATIVE):
        body = problem_body(status, code or CODES[status], message)
        return JsonResponse(body, status=status, content_type=PROBLEM_TYPE)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return JsonResponse(openai_error_body(message, kind, None, code or CODES[status]), status=status)
