"""The pages of the terms that an organisation wants written in its own way."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.web.access import TenantRequest, member_required
from transcription.errors import InvalidOption, Refused
from transcription.models.term import LONGEST, LONGEST_NOTE, Term
from transcription.transcripts import terms as service

ON_A_PAGE = 100
editors_only = member_required(service.PERMISSION)


class TermForm(forms.Form):
    """A term; `transcripts.terms` validates it."""

    text = forms.CharField(label=gettext_lazy("As it is to be written"), max_length=LONGEST)
    spellings = forms.CharField(
        label=gettext_lazy("Spellings that it replaces, one a line"),
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
    )
    note = forms.CharField(label=gettext_lazy("Note"), max_length=LONGEST_NOTE, required=False)
    is_active = forms.BooleanField(
        label=gettext_lazy("Replace the spellings in new transcripts"), initial=True, required=False
    )

    @classmethod
    def of(cls, row: Term) -> TermForm:
        written = {"text": row.text, "note": row.note, "is_active": row.is_active}
        return cls(initial=written | {"spellings": "\n".join(row.spellings)})

    @property
    def wanted(self) -> dict[str, Any]:
        lines = [line for line in self.cleaned_data["spellings"].splitlines() if line.strip()]
        return self.cleaned_data | {"spellings": lines}

    def refuse(self, error: InvalidOption | Refused) -> None:
        param = error.param if isinstance(error, InvalidOption) else ""
        self.add_error(param if param in self.fields else None, str(error))


@require_http_methods(["GET", "HEAD", "POST"])
def terms(request: HttpRequest) -> HttpResponseBase:
    return create(request) if request.method == "POST" else index(request)


@never_cache
@member_required("recordings.view")
def index(request: TenantRequest) -> HttpResponse:
    return _index(request, TermForm())


@never_cache
@editors_only
def create(request: TenantRequest) -> HttpResponse:
    form = TermForm(request.POST)
    if form.is_valid():
        try:
            service.create(request.actor, **form.wanted)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            messages.success(request, _("Added. It counts for what is completed from now on."))
            return redirect("web:terms")
    return _index(request, form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@editors_only
def term(request: TenantRequest, term_id: UUID) -> HttpResponse:
    row = service.get(request.actor, term_id)
    form = TermForm(request.POST) if request.method == "POST" else TermForm.of(row)
    if form.is_bound and form.is_valid():
        try:
            service.change(request.actor, term_id, form.wanted)
        except InvalidOption as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("web:terms")
    return render(request, "web/term.html", {"term": row, "form": form, "section": "terms"})


@require_POST
@editors_only
def delete(request: TenantRequest, term_id: UUID) -> HttpResponse:
    service.delete(request.actor, term_id)
    messages.success(request, _("Deleted. Transcripts stay as they are."))
    return redirect("web:terms")


def _index(request: TenantRequest, form: TermForm) -> HttpResponse:
    page = Paginator(service.visible(request.actor), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "web/terms.html", {"page": page, "form": form, "section": "terms"})
