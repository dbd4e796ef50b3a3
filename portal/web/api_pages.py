"""Pages about the APIs: the schema, readable and to try, and examples. They need nothing from elsewhere."""

from __future__ import annotations

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.web import api_examples
from portal.web.access import TenantRequest, member_required

ALLOW_THEIR_STYLES = csp_update({"style-src": [UNSAFE_INLINE], "img-src": ["data:"], "worker-src": [SELF, "blob:"]})
"""Swagger UI and ReDoc write style elements and draw inlined pictures; scripts stay our own files."""


@require_safe
@ALLOW_THEIR_STYLES
def swagger(request: HttpRequest) -> HttpResponse:
    return render(request, "api/swagger.html")


@require_safe
@ALLOW_THEIR_STYLES
def redoc(request: HttpRequest) -> HttpResponse:
    return render(request, "api/redoc.html")


@require_safe
@member_required("recordings.view")
def examples(request: TenantRequest) -> HttpResponse:
    """Shows what to paste into a terminal or a program, with this portal's own address."""
    shown = api_examples.examples(request.build_absolute_uri("/").rstrip("/"))
    return render(request, "api/examples.html", {"section": "api", "examples": shown})
