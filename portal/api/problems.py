"""Problem bodies of the native API (RFC 9457)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal.api.preconditions import PreconditionRequired, quoted
from portal.http.error_bodies import PROBLEM_TYPE, problem_body
from portal.http.outage import RETRY_HEADERS, log_outage
from portal.http.receiving import UploadRefused
from portal.http.statuses import status_of
from tenants.access import InsufficientScope
from tenants.announcements import ReadingOnly
from tenants.api_keys import ADDRESS, InvalidKey, KeyConflict, KeyRefused
from tenants.rate_limit import TooManyRequests
from tenants.session_access import AddressRefused, TenantMismatch
from transcription.errors import InvalidOption, Refused
from transcription.library.retention import TextDeleted
from transcription.transcripts.revisions import NotCompleted, Stale
from transcription.transcripts.validation import NoSuchPart


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    return Response(problem_body(status, code, detail, **more), status, content_type=PROBLEM_TYPE)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler; None leaves what we don't know to Django's 500."""
    set_rollback()
    return _of_caller(error) or _of_request(error)


def _of_caller(error: Exception) -> Response | None:
    """Returns the problem of who asks: nobody known, too often, or for more than they may."""
    match error:
        case KeyRefused():
            return _of_refused_key(error)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            response = problem(401, "invalid_api_key", _("Send a live key as `Authorization: Bearer KEY`."))
            response["WWW-Authenticate"] = "Bearer"
            return response
        case InsufficientScope():
            response = problem(403, "insufficient_scope", str(error), scope=error.has, needed=error.needed)
            response["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.needed}"'
            return response
        case AddressRefused():
            return problem(403, ADDRESS, str(error))
        case PermissionDenied():
            return problem(403, "permission_denied", str(error) or _("This key may not do that."))
        case TenantMismatch():
            return problem(409, "other_tenant", str(error))
        case ReadingOnly():
            response = problem(error.status, error.code, str(error))
            if error.retry_after is not None:
                response["Retry-After"] = str(error.retry_after)
            return response
        case TooManyRequests():
            detail = _("More than the %(limit)d requests a minute your organisation has. Wait, then ask again.")
            response = problem(429, "too_many_requests", detail % {"limit": error.limit}, limit=error.limit)
            response["Retry-After"] = str(error.whole_seconds)
            return response
    return None


def _of_request(error: Exception) -> Response | None:
    """Returns the problem of what is asked for."""
    match error:
        case NoSuchPart():
            return problem(404, "not_found", str(error))
        case Http404():
            return problem(404, "not_found", _("There is nothing here under this id."))
        case InvalidOption():
            return problem(400, error.code, str(error), param=error.param)
        case InvalidKey():
            return problem(400, "invalid_value", str(error), param=error.field)
        case KeyConflict():
            return problem(409, error.code, str(error))
        case UploadRefused():
            return _of_upload(error)
        case OperationalError() | InterfaceError():
            log_outage(error)
            return unavailable()
        case Refused():
            return _of_refusal(error)
        case TextDeleted():
            return problem(410, "text_deleted", str(error))
        case NotCompleted():
            return problem(409, "not_completed", _("The transcription is not done: it is %s.") % error.status)
        case Stale():
            return _of_stale(error)
        case PreconditionRequired():
            detail = _("Send `If-Match` with the ETag of what you have read, so that nobody's change is overwritten.")
            return problem(428, "precondition_required", detail)
        case exceptions.UnsupportedMediaType():
            detail = _("A body of this Content-Type, or of none, isn’t taken here. JSON is application/json.")
            return problem(415, str(error.default_code), detail)
        case exceptions.APIException():
            return problem(error.status_code, str(error.default_code), str(error.detail))
    return None


def _of_refusal(refused: Refused) -> Response:
    response = problem(status_of(refused.code), refused.code, refused.message, **refused.parameters)
    return _with_pause(response) if refused.may_succeed_later else response


def _of_stale(stale: Stale) -> Response:
    detail = _("It was changed since you read it. Read it again, then send your change with the new ETag.")
    response = problem(412, "stale", detail, etag=quoted(stale.tag))
    response["ETag"] = quoted(stale.tag)
    return response


def _of_refused_key(refused: KeyRefused) -> Response:
    if refused.code == ADDRESS:
        return problem(403, refused.code, str(refused))
    response = problem(401, refused.code, str(refused))
    response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response


def _of_upload(refused: UploadRefused) -> Response:
    if refused.code == "too_large":
        detail = _("The file is larger than the limit of %(limit)s.") % {"limit": filesizeformat(refused.limit)}
        return problem(413, "file_too_large", detail, limit=refused.limit)
    if refused.code == "no_room":
        return problem(507, refused.code, _("The server has no room for this upload. Try later."))
    if refused.code == "unavailable":
        return unavailable()
    return problem(400, refused.code, str(refused))


def unavailable() -> Response:
    return _with_pause(problem(503, "unavailable", _("The service is starting again. Please try in a moment.")))


def _with_pause(response: Response) -> Response:
    for name, value in RETRY_HEADERS.items():
        response[name] = value
    return response
