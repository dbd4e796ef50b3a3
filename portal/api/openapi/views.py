"""The schema for programs, for everybody: it says nothing about any tenant."""

from __future__ import annotations

from drf_spectacular.views import SpectacularJSONAPIView, SpectacularYAMLAPIView

from portal.api.openapi import schema as schema  # registers the keys' security scheme


class SchemaJson(SpectacularJSONAPIView):
    """The schema as JSON."""

    authentication_classes = ()
    permission_classes = ()


class SchemaYaml(SpectacularYAMLAPIView):
    """The schema as YAML."""

    authentication_classes = ()
    permission_classes = ()
