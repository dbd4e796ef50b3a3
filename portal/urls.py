from django.contrib import admin
from django.urls import include, path, re_path

from portal import metrics, probes
from portal.scim.views import scim

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
