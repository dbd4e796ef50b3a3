from django.urls import path

from portal.api.openapi.views import SchemaJson, SchemaYaml

urlpatterns = [
    path("openapi.json", SchemaJson.as_view(), name="openapi_json"),
    path("openapi.yaml", SchemaYaml.as_view(), name="openapi_yaml"),
]
