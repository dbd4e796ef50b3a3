"""Adapts the admin pages of libraries: restricts RQ's dashboard, and removes allauth's pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard
from django_rq.urls import get_admin_urlpatterns, get_api_urlpatterns

PERMISSION = "django_rq.admin"

admin.site.unregister(UserSession)
admin.site.unregister(Authenticator)  # the user's page resets them, and shows no secret
admin.site.unregister(EmailAddress)  # e-mail addresses are changed on the user's page, which writes the audit log


@admin.register(Dashboard)
class DashboardAdmin(QueueAdmin):
    """Requires a permission, where django-rq lets all staff empty queues and everybody read its figures as JSON."""

    def get_urls(self) -> list[URLPattern]:
        names = "django_rq_"
        figures = get_api_urlpatterns(names)
        for pattern in figures:
            pattern.callback = self._allowed(pattern.callback)
        return [*figures, *get_admin_urlpatterns(names, self._allowed), *admin.ModelAdmin.get_urls(self)]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    has_change_permission = has_module_permission = has_view_permission

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def _allowed(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not self.has_view_permission(request):
                raise PermissionDenied
            request.current_app = self.admin_site.name  # resolves the dashboard's links
            return view(request, *args, **kwargs)

        return self.admin_site.admin_view(guarded)
