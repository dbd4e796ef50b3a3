"""The end of an operator's visit, from the banner of every page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tenants import addresses, support
from tenants.models import User


@require_POST
@login_required
def end(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    session: Any = request.session
    if support.end(request.user, session, addresses.of_request(request)):
        messages.success(request, _("You act for yourself again."))
    return redirect("web:home")
