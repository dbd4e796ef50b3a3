"""The one view of SCIM: a directory's token, then scim2-server."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from scim2_models import SCIMException, UnauthorizedException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from portal.http.authentication import caller_of_request
from portal.http.body_limit import exceeded_limit
from portal.scim.service import SERVICE
from portal.scim.storage import PeopleStorage
from tenants.announcements import ReadingOnly
from tenants.throttle import Limit

BASE = "/scim/v2"
CALLS = Limit("calls of a directory", 600, 60)


class TooManyCalls(SCIMException):
    status = 429


class NotNow(SCIMException):
    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail=detail)
        self.status = status


@csrf_exempt
def scim(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answers errors as SCIM has them, too."""
    try:
        answer = _answer(request, path or "/")
    except SCIMException as error:
        answer = SERVICE.error_response(error)
    except ReadingOnly as error:
        answer = SERVICE.error_response(NotNow(detail=str(error), status=error.status))
        if error.retry_after is not None:
            answer.headers["Retry-After"] = str(error.retry_after)
    response = JsonResponse(answer.body, status=answer.status) if answer.body is not None else HttpResponse(b"")
    response.status_code = answer.status
    for name, value in answer.headers.items():
        response[name] = value
    return response


def _answer(request: HttpRequest, path: str) -> ScimResponse:
    """Raises SCIMException and ReadingOnly."""
    actor = caller_of_request(request).checked()
    if actor is None or actor.directory is None:
        raise UnauthorizedException(detail="A token of this organisation's directory is needed.")
    if not CALLS.take(str(actor.directory.id)):
        raise TooManyCalls(detail="Too many calls. Wait a minute.")
    if exceeded_limit(request) is not None:
        raise SCIMException(detail="The body is too large.")
    asked = ScimRequest(
        method=request.method or "GET",
        base_url=f"{settings.PORTAL_URL}{BASE}",
        path=path,
        query=request.GET.dict(),
        headers=dict(request.headers.items()),
        body=request.body,
        subject=actor,
    )
    return ScimHandler(SERVICE, PeopleStorage(actor)).handle(asked)
