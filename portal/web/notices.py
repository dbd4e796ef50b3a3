"""Notices of limits that are nearly or all gone, on the pages of those who can do something about it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from tenants import notices


@require_POST
@member_required("notices.manage")
def dismiss(request: TenantRequest, notice_id: int) -> HttpResponse:
    notices.dismiss(request.actor, notice_id)
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The page that the button was on, as long as it is one of ours."""
    page = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if ours and page.startswith("/") else "web:usage"
