"""The schema for programs, and as pages that need nothing from elsewhere."""

from __future__ import annotations

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularYAMLAPIView

from portal.api.openapi import examples as snippets
from portal.api.openapi import schema as schema  # registers the keys' security scheme
from portal.web.access import TenantRequest, member_required

ALLOW_THEIR_STYLES = csp_update({"style-src": [UNSAFE_INLINE], "img-src": ["data:"], "worker-src": [SELF, "blob:"]})
"""Swagger UI and ReDoc write style elements and draw inlined pictures; scripts stay our own files."""


class SchemaJson(SpectacularJSONAPIView):
    """The schema as JSON, for everybody: it says nothing about any tenant."""

    authentication_classes = ()
    permission_classes = ()


class SchemaYaml(SpectacularYAMLAPIView):
    """The schema as YAML."""

    authentication_classes = ()
    permission_classes = ()


@ALLOW_THEIR_STYLES
def swagger(request: HttpRequest) -> HttpResponse:
    return render(request, "api/swagger.html")


@ALLOW_THEIR_STYLES
def redoc(request: HttpRequest) -> HttpResponse:
    return render(request, "api/redoc.html")


@member_required("recordings.view")
def examples(request: TenantRequest) -> HttpResponse:
    """What to paste into a terminal or a program, with this portal's own address."""
    shown = snippets.examples(request.build_absolute_uri("/").rstrip("/"))
    return render(request, "api/examples.html", {"section": "api", "examples": shown})
