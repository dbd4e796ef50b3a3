"""The operations pages of the admin. Each is pushed, or read again every few seconds, by its script."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Literal, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.ops import alerts as alerts_page
from portal.ops import fleet, latencies, pages, waterfall, work
from tenants import database_clock
from tenants.admin import operator_of
from tenants.models import User
from transcription.alerts import receivers, shown

PERMISSION = receivers.PERMISSION
ACTING = "transcription.act_on_operations"
PAGES = {
    "operations": gettext_lazy("Overview"),
    "operations_queue": gettext_lazy("Queue"),
    "operations_engines": gettext_lazy("Engines"),
    "operations_latency": gettext_lazy("Latency"),
    "operations_failures": gettext_lazy("Failures"),
    "operations_alerts": gettext_lazy("Alerts"),
}
ALERT_CHANGES = {
    "pause": alerts_page.pause,
    "end_pause": alerts_page.end_pause,
    "test": alerts_page.change_webhook,
    "remove_webhook": alerts_page.change_webhook,
}
View = Callable[..., HttpResponse]


def for_operators(view: View) -> View:
    """Lets only those see a page who may see the operations page. The view raises PermissionDenied."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied(_("The operations page needs a permission that your account does not have."))
        return view(request, *args, **kwargs)

    return checked


@for_operators
def operations(request: HttpRequest) -> HttpResponse:
    """Renders the current state of engines, queue and latency."""
    return _render(request, "operations", _("Operations"), pages.overview(request.GET.dict()))


@for_operators
def queue(request: HttpRequest) -> HttpResponse:
    """Renders what waits, by lane and tenant; moves and cancels a selection, once that is confirmed."""
    if request.method == "POST":
        return _act(request, work.FOR_WAITING)
    return _render(request, "operations_queue", _("Queue"), pages.queue(request.GET.dict()))


@for_operators
def failures(request: HttpRequest) -> HttpResponse:
    """Renders what failed in the last day, by cause; queues a selection again, once that is confirmed."""
    if request.method == "POST":
        return _act(request, work.FOR_FAILED)
    now = database_clock.now()
    chosen = work.Filter(tenant=pages.as_uuid(request.GET.get("tenant", "")), cause=request.GET.get("cause", "")[:40])
    context = {
        "at": now,
        "causes": work.causes(now),
        "rows": work.failed(chosen, now),
        "chosen": chosen,
        "actions": work.FOR_FAILED,
        "most": work.SHOWN,
    }
    return _render(request, "operations_failures", _("Failures"), context)


@for_operators
def engines(request: HttpRequest) -> HttpResponse:
    """Renders each engine; pauses or resumes one, or has it load or unload a model."""
    if request.method == "POST" and request.POST.get("model"):
        return _order(request, request.POST["model"])
    if request.method == "POST":
        name, pauses = request.POST.get("engine", ""), request.POST.get("do") == "pause"
        if fleet.switch(name, pauses, _actor(request)):
            text = _("Paused: %(engine)s. Its workers finish what they have, and claim nothing more.")
            messages.success(request, (text if pauses else _("Resumed: %(engine)s.")) % {"engine": name})
        return redirect("admin:operations_engines")
    return _render(request, "operations_engines", _("Engines"), pages.engines(request.GET.dict()))


@for_operators
def alerts(request: HttpRequest) -> HttpResponse:
    """Renders what fires; pauses alerts, and changes who is told."""
    added = None
    user = cast(User, request.user)
    if request.method == "POST":
        do = request.POST.get("do", "")
        if do in ("mail", "no_mail"):
            alerts_page.set_mail(request, user)
        elif do == "add_webhook":
            added = alerts_page.add_webhook(request, _actor(request))
        elif change := ALERT_CHANGES.get(do):
            change(request, _actor(request))
        if added is None:
            return redirect("admin:operations_alerts")
    return _render(request, "operations_alerts", _("Alerts"), alerts_page.context(user) | {"added": added})


def _order(request: HttpRequest, choice: str) -> HttpResponse:
    name, (do, _colon, model) = request.POST.get("engine", ""), choice.partition(":")
    kind: Literal["load", "unload"] = "load" if do == "load" else "unload"
    if fleet.order(name, kind, model, _actor(request)):
        loads = _("Loading: %(model)s. It takes seconds.")
        unloads = _("Unloading: %(model)s, once no window needs it. Whoever asks for it later has it loaded again.")
        messages.success(request, (loads if kind == "load" else unloads) % {"model": model})
    else:
        why = _("Not done: the engine is not ready, has the model as you want it, or waits for another order.")
        messages.warning(request, why)
    return redirect("admin:operations_engines")


def _act(request: HttpRequest, actions: dict[str, work.Action]) -> HttpResponse:
    """Asks whether to act on the selection, or does it. Raises PermissionDenied."""
    _actor(request)
    here = request.get_full_path()
    action = actions.get(request.POST.get("do", ""))
    ids = [found for text in request.POST.getlist("id")[: work.SHOWN] if (found := pages.as_uuid(text)) is not None]
    if action is None or not ids:
        messages.warning(request, _("Nothing was selected."))
        return redirect(here)
    if "confirmed" not in request.POST:
        rows = work.selected(ids)
        context = {"action": action, "do": request.POST["do"], "rows": rows, "here": here, "title": action.label}
        return render(request, "admin/operations_confirm.html", admin.site.each_context(request) | context)
    done, left = work.act(action, ids, partial(operator_of, request))
    text = ngettext("%(n)d transcription was changed.", "%(n)d transcriptions were changed.", done) % {"n": done}
    if left:
        text += " " + ngettext("%(n)d was left as it is.", "%(n)d were left as they are.", left) % {"n": left}
    messages.add_message(request, messages.SUCCESS if done else messages.WARNING, text)
    return redirect(here)


def _actor(request: HttpRequest) -> User:
    """Returns the operator. Raises PermissionDenied for one who may only look."""
    if not request.user.has_perm(ACTING) or not isinstance(request.user, User):
        raise PermissionDenied(_("This needs a permission that your account does not have."))
    return request.user


@for_operators
def latency(request: HttpRequest) -> HttpResponse:
    """Renders how long the stages take, over a period."""
    period = latencies.PERIODS.get(request.GET.get("period", ""), latencies.QUARTER)
    context = {"periods": latencies.PERIODS.values(), "latency": latencies.read(period)}
    return _render(request, "operations_latency", _("Latency by stage"), context)


@for_operators
def transcription(request: HttpRequest, transcription_id: UUID) -> HttpResponse:
    """Renders the waterfall of one transcription. Raises Http404."""
    context = {"waterfall": waterfall.read(transcription_id)}
    return _render(request, "operations_transcription", _("Why it took so long"), context)


def _render(request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> HttpResponse:
    """Renders a page, or only its changing part for its script."""
    part = f"admin/_{name}.html"
    if request.headers.get("X-Requested-With") == "fetch":
        return render(request, "admin/_operations_region.html", context | {"part": part, "alerts": shown.for_banner()})
    frame = admin.site.each_context(request) | {
        "title": title,
        "part": part,
        "page": name,
        "pages": PAGES,
        "pushed": pages.PUSHED,
    }
    return render(request, "admin/operations.html", frame | context)
