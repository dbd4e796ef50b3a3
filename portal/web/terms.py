"""The pages of the terms that an organisation wants written in its own way, and of those of its folders."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.web import spreadsheet
from portal.web.access import TenantRequest, by_method, member_required
from portal.web.refusable_form import RefusableForm
from transcription.errors import InvalidOption, Refused
from transcription.exports import escape_formulas
from transcription.folders import folders
from transcription.folders.visibility import among
from transcription.models import Folder
from transcription.models.term import LONGEST, LONGEST_NOTE, Term
from transcription.transcripts import term_list
from transcription.transcripts import terms as service

ON_A_PAGE = 100
editors_only = member_required(service.PERMISSION)


class ImportForm(forms.Form):
    """A CSV file of terms."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        help_text=gettext_lazy("Columns: text, note, active (yes or no), then a spelling in each column."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file.size > term_list.MOST_BYTES:
            raise forms.ValidationError(_("The list is too long."))
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError(_("Save the file as UTF-8.")) from None


class TermForm(RefusableForm):
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


@member_required("recordings.view")
def index(request: TenantRequest, folder_id: UUID | None = None) -> HttpResponse:
    return _index(request, _folder(request, folder_id), TermForm())


@editors_only
def create(request: TenantRequest, folder_id: UUID | None = None) -> HttpResponse:
    form, folder = TermForm(request.POST), _folder(request, folder_id)
    if form.is_valid():
        try:
            service.create(request.actor, **form.wanted, folder=folder)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            messages.success(request, _("Added. It counts for what is completed from now on."))
            return redirect(_address(folder))
    return _index(request, folder, form)


terms = by_method(get=index, post=create)


@require_http_methods(["GET", "HEAD", "POST"])
@editors_only
def term(request: TenantRequest, term_id: UUID) -> HttpResponse:
    row = service.get(request.actor, term_id)
    among(request.actor, row.folder).require(service.PERMISSION)
    form = TermForm(request.POST) if request.method == "POST" else TermForm.of(row)
    if form.is_bound and form.is_valid():
        try:
            service.change(request.actor, term_id, form.wanted)
        except InvalidOption as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect(_address(row.folder))
    context = {"term": row, "form": form, "address": _address(row.folder), "section": _section(row.folder)}
    context["label"] = folders.label(request.actor, row.folder) if row.folder else ""
    return render(request, "web/term.html", context)


@require_POST
@editors_only
def delete(request: TenantRequest, term_id: UUID) -> HttpResponse:
    folder = service.get(request.actor, term_id).folder
    service.delete(request.actor, term_id)
    messages.success(request, _("Deleted. Transcripts stay as they are."))
    return redirect(_address(folder))


@require_POST
@editors_only
def import_csv(request: TenantRequest, folder_id: UUID | None = None) -> HttpResponse:
    """Takes all terms of a CSV file, or none."""
    form, folder = ImportForm(request.POST, request.FILES), _folder(request, folder_id)
    if form.is_valid():
        try:
            added, changed = term_list.import_terms(request.actor, form.cleaned_data["file"], folder)
        except (InvalidOption, Refused) as error:
            form.add_error("file", str(error))
        else:
            found = {"added": added, "changed": changed}
            messages.success(request, _("%(added)d terms added, %(changed)d changed.") % found)
            return redirect(_address(folder))
    return _index(request, folder, TermForm(), form)


@require_GET
@member_required("recordings.view")
def download(request: TenantRequest, folder_id: UUID | None = None) -> StreamingHttpResponse:
    rows = list(service.visible(request.actor, _folder(request, folder_id)))
    return spreadsheet.download("terms.csv", request.actor.tenant, term_list.COLUMNS, iter([rows]), _row)


def _row(row: Term) -> tuple[object, ...]:
    texts = (row.text, row.note, "yes" if row.is_active else "no", *row.spellings)
    return tuple(escape_formulas(text) for text in texts)


def _index(
    request: TenantRequest, folder: Folder | None, form: TermForm, importing: ImportForm | None = None
) -> HttpResponse:
    actor = request.actor
    page = Paginator(service.visible(actor, folder), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "form": form, "importing": importing or ImportForm(), "section": _section(folder)}
    context |= {"folder": folder, "address": _address(folder), "may_change": service.may_change(actor, folder)}
    context["label"] = folders.label(actor, folder) if folder else ""
    return render(request, "web/terms.html", context)


def _folder(request: TenantRequest, folder_id: UUID | None) -> Folder | None:
    """Raises Http404 for one that the actor doesn't see."""
    return folders.get(request.actor, folder_id) if folder_id else None


def _address(folder: Folder | None) -> str:
    return reverse("web:folder_terms", args=[folder.id]) if folder else reverse("web:terms")


def _section(folder: Folder | None) -> str:
    return "recordings" if folder else "terms"
