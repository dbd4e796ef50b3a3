"""The operators' admin: the one place where a person sees every tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext_lazy as _

from tenants import scope


class OperatorsSite(AdminSite):
    site_title = _("Whisper Portal operators")
    site_header = _("Whisper Portal operators")
    index_title = _("Tenants and their work")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:  # type: ignore[override]
        @wraps(view)
        def unscoped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            with scope.across_tenants("operators see every tenant"):
                response = view(request, *args, **kwargs)
                if hasattr(response, "render") and callable(response.render):
                    response.render()
                return response

        return super().admin_view(unscoped, cacheable)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        from portal.ops.views import operations

        return [path("operations/", self.admin_view(operations), name="operations"), *super().get_urls()]
