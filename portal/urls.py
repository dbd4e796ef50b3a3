from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from portal import metrics, probes


@csrf_exempt
def scim(request: HttpRequest, path: str = "") -> HttpResponse:
    """Imports the view when a directory first calls: SCIM's models cost each process a third of its start."""
    from portal.scim.views import scim as view

    return view(request, path)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("portal.account_urls")),
    *(path(address[1:], probe, name=address[1:]) for address, probe in probes.PROBES.items()),
    path("metrics", metrics.metrics, name="metrics"),
    path("v1/", include("portal.api.openai.urls")),
    path("api/v1/", include("portal.api.native.urls")),
    path("api/", include("portal.api.openapi.urls")),
    re_path(r"^scim/v2(?P<path>/.*)?$", scim, name="scim"),
    path("s/", include("portal.shared.urls")),
    path("", include("portal.web.urls")),
]

handler400 = "portal.web.errors.bad_request"
handler403 = "portal.web.errors.forbidden"
handler404 = "portal.web.errors.not_found"
handler500 = "portal.web.errors.server_error"
