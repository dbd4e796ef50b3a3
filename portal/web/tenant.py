"""Which organisation a member of several works in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tenants import access
from tenants.models import Member


def memberships(request: HttpRequest) -> list[Member]:
    """Where the signed-in person may work; nowhere for a stranger."""
    return access.memberships(request.user.pk) if request.user.is_authenticated else []


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("tenant", "")
    if wanted not in {str(member.tenant_id) for member in memberships(request)}:
        raise Http404
    request.session[access.SESSION_TENANT] = wanted
    return redirect("web:recordings")
