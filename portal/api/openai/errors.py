"""Errors as OpenAI's API answers them."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.http import JsonResponse
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from portal.http.error_bodies import openai_error_body
from portal.http.outage import RETRY_HEADERS
from portal.http.receiving import UploadRefused
from portal.http.statuses import status_of
from tenants.announcements import ReadingOnly
from tenants.api_keys import ADDRESS, KeyRefused
from tenants.rate_limit import TooManyRequests
from transcription.errors import InvalidOption, Refused

NO_RETRY = {"x-should-retry": "false"}


@dataclass(eq=False)
class ApiError(Exception):
    """An error to be answered in OpenAI's form. `headers` may tell the SDK whether to retry."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        return openai_error_body(self.message, self.type, self.param, self.code)

    def response(self) -> JsonResponse:
        return JsonResponse(self.body, status=self.status, headers=self.headers)


def invalid_key() -> ApiError:
    message = _("Incorrect API key provided. Send a live key as `Authorization: Bearer KEY`.")
    return ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def of_refused_key(refused: KeyRefused) -> ApiError:
    """Answers 401, or 403 to a strange address: OpenAI's SDKs know 401 as a matter of the key, 403 of rights."""
    if refused.code == ADDRESS:
        return ApiError(403, str(refused), code=refused.code)
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return ApiError(401, str(refused), code="invalid_api_key", headers=headers)


def too_many_requests(refused: TooManyRequests) -> ApiError:
    """Builds the 429 after which OpenAI's SDKs wait and try again."""
    message = _("Rate limit reached: your organisation has %(limit)d requests a minute. Try again in %(seconds)d s.")
    text = message % {"limit": refused.limit, "seconds": refused.whole_seconds}
    headers = {"Retry-After": str(refused.whole_seconds)}
    return ApiError(429, text, "requests", code="rate_limit_exceeded", headers=headers)


def of_reading_only(refused: ReadingOnly) -> ApiError:
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    kind = "invalid_request_error" if refused.retry_after is None else "server_error"
    return ApiError(refused.status, str(refused), kind, code=refused.code, headers=headers)


def of_upload(refused: UploadRefused) -> ApiError:
    match refused.code:
        case "too_large":
            message = _("The file is larger than the limit of %(limit)s.") % {"limit": filesizeformat(refused.limit)}
            return ApiError(413, message, param="file", code="file_too_large")
        case "no_file":
            return ApiError(400, _("The field `file` is missing."), param="file", code="missing_required_parameter")
        case "no_room":
            return ApiError(
                507, _("The server has no room for this upload. Try later."), "server_error", code="no_room"
            )
        case "unavailable":
            return unavailable()
    return ApiError(400, str(refused), code="invalid_body")


def unavailable() -> ApiError:
    message = _("The service is starting again. Please try in a moment.")
    return ApiError(503, message, "server_error", code="unavailable", headers=RETRY_HEADERS)


def of_option(invalid: InvalidOption) -> ApiError:
    status = 404 if invalid.code == "model_not_found" else 400
    param = "languages[]" if invalid.param == "languages" else invalid.param
    return ApiError(status, str(invalid), param=param, code=invalid.code)


def of_refusal(refused: Refused) -> ApiError:
    """Builds the error of a refusal. A full month is what OpenAI's SDKs know as insufficient_quota: 429, no retry."""
    if refused.code == "quota_monthly_seconds":
        headers = NO_RETRY | {"x-quota-resets-at": str(refused.parameters["resets_at"])}
        return ApiError(429, refused.message, "insufficient_quota", None, "insufficient_quota", headers)
    status = status_of(refused.code)
    if refused.may_succeed_later:
        return ApiError(status, refused.message, "server_error", code=refused.code, headers=RETRY_HEADERS)
    param = "Idempotency-Key" if refused.code == "idempotency_key_reused" else "file"
    return ApiError(status, refused.message, param=param, code=refused.code, headers=NO_RETRY)
