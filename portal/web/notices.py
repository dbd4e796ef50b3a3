"""Dismissing notices about limits, and announcements."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from tenants import announcements, notices


@require_POST
@member_required("notices.manage")
def dismiss(request: TenantRequest, notice_id: int) -> HttpResponse:
    notices.dismiss(request.actor, notice_id)
    return redirect(_next_page(request))


@require_POST
@member_required("recordings.view")
def dismiss_announcement(request: TenantRequest, announcement_id: int) -> HttpResponse:
    announcements.dismiss(request.actor, announcement_id)
    return redirect(_next_page(request))


def _next_page(request: HttpRequest) -> str:
    """Returns the page that the button was on, if it is on this site."""
    page = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if is_safe and page.startswith("/") else "web:usage"
