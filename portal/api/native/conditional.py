"""`ETag` and `If-None-Match` (RFC 9110): answers 304 to a caller that has the same already."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.response import Response


def not_modified_or(request: HttpRequest, response: HttpResponse) -> HttpResponseBase:
    """Returns the response with its tag, or 304 without a body where the caller named that tag."""
    if isinstance(response, Response):
        response.render()
    if not response.has_header("ETag"):
        response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    found: HttpResponseBase | None = get_conditional_response(request, etag=response["ETag"], response=response)
    return response if found is None else found
