"""The page on which people see where they are signed in, and sign out elsewhere."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal import devices as names
from portal.accounts import UNKNOWN_ADDRESS
from tenants import addresses, sign_ins, user_sessions
from tenants.models import User


@require_safe
@login_required
def devices(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    user_sessions.note(request)
    current = request.session.session_key
    rows = [
        {
            "row": row,
            "device": names.label(row.user_agent),
            "address": "" if row.ip == UNKNOWN_ADDRESS else row.ip,
            "is_current": row.session_key == current,
        }
        for row in user_sessions.sessions_of(request.user)
    ]
    return render(request, "account/devices.html", {"devices": rows})


@require_POST
@login_required
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends one of the person's own sessions, or all but this one."""
    assert isinstance(request.user, User)
    current, wanted = request.session.session_key, request.POST.get("session", "")
    others = [row for row in user_sessions.sessions_of(request.user) if row.session_key != current]
    ended = others if wanted == "others" else [row for row in others if str(row.pk) == wanted]
    if not ended and wanted != "others":
        raise Http404
    for row in ended:
        with transaction.atomic():
            row.end()
            sign_ins.record_session_end(request.user.pk, addresses.of_request(request), str(row.ip))
    messages.success(request, _("Signed out there."))
    return redirect("account_devices")
