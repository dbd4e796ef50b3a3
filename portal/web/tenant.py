"""Pages that choose in which organisation a member of several works."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from tenants import session_access
from tenants.models import Member, User


def memberships(request: HttpRequest) -> list[Member]:
    """Returns the memberships of the signed-in person that the session opens; none for anybody else."""
    session: Any = request.session
    return session_access.reachable(request.user.pk, session) if request.user.is_authenticated else []


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Redirects members to their recordings, and an operator who is in no organisation to the admin."""
    operates = isinstance(request.user, User) and request.user.is_staff and not memberships(request)
    return redirect("admin:index" if operates else "web:recordings")


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("tenant", "")
    if wanted not in {str(member.tenant_id) for member in memberships(request)}:
        raise Http404
    request.session[session_access.SESSION_TENANT] = wanted
    return redirect("web:recordings")
