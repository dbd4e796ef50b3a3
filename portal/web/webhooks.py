"""The pages of webhooks and their deliveries."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.webhook_form import WebhookForm
from transcription.errors import InvalidOption, Refused
from transcription.webhooks import deliveries, endpoints
from transcription.webhooks.models import Endpoint

ON_A_PAGE = 25
managers_only = member_required(endpoints.PERMISSION)


@managers_only
def index(request: TenantRequest) -> HttpResponse:
    return _index(request, WebhookForm())


@managers_only
def create(request: TenantRequest) -> HttpResponse:
    """Renders the webhook's page instead of redirecting, which would require storing the secret."""
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            issued = endpoints.create(request.actor, *form.wanted)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            return _page(request, issued.endpoint, secret=issued.secret)
    return _index(request, form)


webhooks = by_method(get=index, post=create)


@managers_only
def show(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    return _page(request, endpoints.get(request.actor, endpoint_id))


@managers_only
def change(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = endpoints.get(request.actor, endpoint_id)
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            endpoints.change(request.actor, endpoint_id, *form.wanted)
        except InvalidOption as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("web:webhook", endpoint_id)
    return _page(request, endpoint, form)


webhook = by_method(get=show, post=change)


@require_POST
@managers_only
def rotate(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Renders the page with the new secret, as `create` does."""
    issued = endpoints.rotate(request.actor, endpoint_id)
    return _page(request, issued.endpoint, secret=issued.secret)


@require_POST
@managers_only
def pause(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    endpoints.pause(request.actor, endpoint_id)
    messages.success(request, _("Paused. Its events are kept, and sent when you resume it."))
    return redirect("web:webhook", endpoint_id)


@require_POST
@managers_only
def resume(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    endpoints.resume(request.actor, endpoint_id)
    messages.success(request, _("Resumed. What was kept is sent now."))
    return redirect("web:webhook", endpoint_id)


@require_POST
@managers_only
def test(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    return _sent(request, endpoint_id, partial(endpoints.test, request.actor, endpoint_id))


@require_POST
@managers_only
def replay(request: TenantRequest, endpoint_id: UUID, delivery_id: UUID) -> HttpResponse:
    return _sent(request, endpoint_id, partial(deliveries.replay, request.actor, endpoint_id, delivery_id))


@require_POST
@managers_only
def delete(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    endpoints.delete(request.actor, endpoint_id)
    messages.success(request, _("The webhook was deleted."))
    return redirect("web:webhooks")


def _sent(request: TenantRequest, endpoint_id: UUID, send: partial[Any]) -> HttpResponse:
    try:
        send()
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("It is being sent. Reload this page in a moment to see how it went."))
    return redirect("web:webhook", endpoint_id)


def _index(request: TenantRequest, form: WebhookForm) -> HttpResponse:
    context = {"endpoints": endpoints.visible(request.actor), "form": form, "section": "webhooks"}
    return render(request, "web/webhooks.html", context)


def _page(
    request: TenantRequest, endpoint: Endpoint, form: WebhookForm | None = None, secret: str = ""
) -> HttpResponse:
    log = deliveries.log_of(request.actor, endpoint.id).prefetch_related("attempts")
    context = {
        "endpoint": endpoint,
        "why_paused": endpoints.why_paused(endpoint),
        "form": form or WebhookForm.of(endpoint),
        "page": Paginator(log, ON_A_PAGE).get_page(request.GET.get("page")),
        "secret": secret,
        "section": "webhooks",
    }
    return render(request, "web/webhook.html", context)
