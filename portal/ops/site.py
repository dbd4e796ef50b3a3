"""The operators' admin site, which shows every tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from allauth.account.adapter import get_adapter
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _

from portal.http.sessions import is_operator
from portal.ops.sections import sections
from tenants import scope, support
from tenants.models import User
from tenants.second_factors import is_missing_for_operator
from transcription.alerts import receivers, shown


class OperatorsSite(AdminSite):
    site_title = _("Whisper Portal operators")
    site_header = _("Whisper Portal operators")
    index_title = _("Administration")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:  # type: ignore[override]
        @wraps(view)
        def unscoped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            with scope.across_tenants("operators see every tenant"):
                response = view(request, *args, **kwargs)
                if hasattr(response, "render") and callable(response.render):
                    response.render()
                return response

        return super().admin_view(unscoped, cacheable)

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and is_operator(request.user, cast(Any, request.session))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Adds the alerts that fire, for whoever may see operations."""
        context = super().each_context(request)
        if self.has_permission(request) and cast(User, request.user).has_perm(receivers.PERMISSION):
            context["alerts"] = shown.for_banner()
        return context

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        found = super().get_app_list(request, app_label)
        return found if app_label else sections(found)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirects to the portal's sign-in, which limits attempts and writes the audit log."""
        if self.has_permission(request):
            return redirect("admin:index")
        if isinstance(request.user, User) and is_missing_for_operator(request.user):
            return redirect("mfa_index")
        if support.going_on(request.user, cast(Any, request.session)) is not None:
            raise PermissionDenied(_("Not while you act for a member. End that first."))
        if request.user.is_authenticated:
            raise PermissionDenied(_("The admin is for operators only."))
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST":
            get_adapter(request).logout(request)
        return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Redirects to the portal's page, which writes the audit log."""
        return redirect("account_change_password")

    def get_urls(self) -> list[URLResolver | URLPattern]:
        from portal.ops import views

        own = [
            path("operations/", self.admin_view(views.operations), name="operations"),
            path("operations/queue/", self.admin_view(views.queue), name="operations_queue"),
            path("operations/failures/", self.admin_view(views.failures), name="operations_failures"),
            path("operations/engines/", self.admin_view(views.engines), name="operations_engines"),
            path("operations/alerts/", self.admin_view(views.alerts), name="operations_alerts"),
            path("operations/latency/", self.admin_view(views.latency), name="operations_latency"),
            path(
                "operations/transcriptions/<uuid:transcription_id>/",
                self.admin_view(views.transcription),
                name="operations_transcription",
            ),
        ]
        return [*own, *super().get_urls()]
