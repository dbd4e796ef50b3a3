from django.urls import path

from portal.api.openapi import pages

urlpatterns = [
    path("openapi.json", pages.SchemaJson.as_view(), name="openapi_json"),
    path("openapi.yaml", pages.SchemaYaml.as_view(), name="openapi_yaml"),
    path("docs/", pages.swagger, name="swagger"),
    path("reference/", pages.redoc, name="redoc"),
    path("examples/", pages.examples, name="examples"),
]
