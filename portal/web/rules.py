"""The page of a tenant's rules, and that of one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.rule_form import Named, RuleForm
from transcription.errors import InvalidOption, Refused
from transcription.models import Recording
from transcription.rules import editing
from transcription.rules.conditions import as_id
from transcription.rules.models import Rule

managers_only = member_required(editing.PERMISSION)


@managers_only
def index(request: TenantRequest) -> HttpResponse:
    named = Named(request.actor)
    rows = [(row, named.conditions_of(row), named.effects_of(row)) for row in editing.visible(request.actor)]
    return render(request, "web/rules.html", {"rows": rows, "section": "preferences"})


@require_GET
@managers_only
def new(request: TenantRequest) -> HttpResponse:
    return _page(request, RuleForm(Named(request.actor)))


@managers_only
def create(request: TenantRequest) -> HttpResponse:
    form = RuleForm(Named(request.actor), request.POST)
    if form.is_valid():
        try:
            active = form.cleaned_data["is_active"]
            editing.create(request.actor, form.cleaned_data["name"], form.conditions, form.effects, active=active)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            messages.success(request, _("The rule was made. It holds for what arrives from now on."))
            return redirect("web:rules")
    return _page(request, form)


rules = by_method(get=index, post=create)


@managers_only
def show(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    row = editing.get(request.actor, rule_id)
    return _page(request, RuleForm(Named(request.actor), rule=row), row)


@managers_only
def change(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    row = editing.get(request.actor, rule_id)
    form = RuleForm(Named(request.actor), request.POST, row)
    if form.is_valid():
        fields = form.cleaned_data
        try:
            editing.change(
                request.actor, row.id, fields["name"], form.conditions, form.effects, active=fields["is_active"]
            )
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("web:rules")
    return _page(request, form, row)


rule = by_method(get=show, post=change)


@require_POST
@managers_only
def preview(request: TenantRequest) -> HttpResponse:
    """Renders the form as it was sent, with the recordings that its conditions would have matched."""
    rule_id = as_id(request.POST.get("rule", ""))
    row = editing.get(request.actor, rule_id) if rule_id else None
    form, found = RuleForm(Named(request.actor), request.POST, row), None
    if form.is_valid():
        try:
            found = editing.preview(request.actor, form.conditions)
        except InvalidOption as invalid:
            form.refuse(invalid)
    return _page(request, form, row, found)


@require_POST
@managers_only
def move(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    """Puts a rule one place up or down."""
    rows = editing.visible(request.actor)
    place = rows.index(editing.get(request.actor, rule_id)) + 1
    step = 1 if request.POST.get("to") == "down" else -1
    editing.change(request.actor, rule_id, position=max(1, place + step))
    return redirect("web:rules")


@require_POST
@managers_only
def switch(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    editing.change(request.actor, rule_id, active=bool(request.POST.get("active")))
    return redirect("web:rules")


@require_POST
@managers_only
def delete(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    editing.delete(request.actor, rule_id)
    messages.success(request, _("The rule was deleted. What it gave to recordings stays."))
    return redirect("web:rules")


def _page(
    request: TenantRequest, form: RuleForm, row: Rule | None = None, found: list[Recording] | None = None
) -> HttpResponse:
    context = {"form": form, "rule": row, "found": found, "looked_at": editing.LOOKED_AT, "section": "preferences"}
    return render(request, "web/rule.html", context)
