"""The operators' pages for archiving and deleting tenants, and the receipts of deleted ones."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import date as date_format
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tenants import audit, scope, units
from tenants.admin import ReadOnly, operator_of
from tenants.models import LedgerEntry, Member, Tenant
from transcription.connections import stream
from transcription.errors import Refused
from transcription.media import storage
from transcription.media.storage import StorageUnavailable
from transcription.models import Recording
from transcription.offboarding import deletion, downloads
from transcription.offboarding.models import Deletion

MAY_DELETE = "tenants.delete_tenant"


class Confirmation(forms.Form):
    """Requires the tenant's name as a confirmation."""

    name = forms.CharField(label=_("The tenant’s name, to be sure"), widget=forms.TextInput({"autocomplete": "off"}))
    archived = forms.TypedChoiceField(
        label=_("Archive"),
        choices=[("yes", _("I have downloaded the archive")), ("no", _("Nothing is to be kept"))],
        widget=forms.RadioSelect,
    )

    def __init__(self, tenant: Tenant, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tenant = tenant

    def clean_name(self) -> str:
        if self.cleaned_data["name"].strip() != self._tenant.name.strip():
            raise forms.ValidationError(gettext("This is not its name. Nothing was deleted."))
        return self._tenant.name

    def clean_archived(self) -> str:
        archived: str = self.cleaned_data["archived"]
        if archived == "no":
            return archived
        whole = downloads.latest_whole(self._tenant)
        if whole is None:
            raise forms.ValidationError(gettext("No archive of it was downloaded to its end. Nothing was deleted."))
        if not downloads.is_up_to_date(whole):
            text = gettext("The archive of %(date)s lacks what came after it: download it again. Nothing was deleted.")
            raise forms.ValidationError(text % {"date": date_format(timezone.localtime(whole.begun_at), "j M Y, H:i")})
        return archived


@admin.register(Deletion)
class DeletionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("tenant_name", "state", "requested_by", "requested_at", "finished_at", "recordings", "receipt_file")
    list_filter = ("state",)
    search_fields = ("tenant_name", "tenant_uuid", "requested_by")
    fields = (
        *("tenant_name", "tenant_uuid", "state", "requested_by", "requested_at", "archive", "finished_at"),
        *("recordings", "stored", "receipt_file", "receipt"),
    )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("tenant/<uuid:tenant_id>/", wrap(self.delete_tenant), name="offboarding_delete_tenant"),
            path("<uuid:deletion_id>/receipt.json", wrap(self.download_receipt), name="offboarding_receipt"),
            path("tenant/<uuid:tenant_id>/archive/", wrap(self.archive_tenant), name="offboarding_archive"),
            *super().get_urls(),
        ]

    def delete_tenant(self, request: HttpRequest, tenant_id: str) -> HttpResponseBase:
        """Shows what would be deleted, a link to the archive and the confirmation, and begins the deletion."""
        tenant = _tenant(request, tenant_id)
        form = Confirmation(tenant, request.POST or None)
        if request.method == "POST" and form.is_valid():
            whole = downloads.latest_whole(tenant)
            archived = str(whole) if form.cleaned_data["archived"] == "yes" else ""
            try:
                row = deletion.begin(tenant, operator_of(request, tenant).operator.email, archived)  # type: ignore[union-attr]
            except Refused as refused:
                self.message_user(request, refused.message, messages.ERROR)
                return HttpResponseRedirect(request.path)
            text = gettext("%(tenant)s is being erased. The receipt stands here when nothing is left.")
            self.message_user(request, text % {"tenant": tenant}, messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:offboarding_deletion_change", args=[row.pk]))
        context = self.admin_site.each_context(request) | {
            "title": gettext("Delete %(tenant)s") % {"tenant": tenant},
            "tenant": tenant,
            "form": form,
            "facts": _facts(tenant),
            "download": downloads.latest(tenant),
            "opts": Tenant._meta,
        }
        return TemplateResponse(request, "admin/offboarding/delete_tenant.html", context)

    def archive_tenant(self, request: HttpRequest, tenant_id: str) -> HttpResponseBase:
        return _archive(request, _tenant(request, tenant_id))

    def download_receipt(self, request: HttpRequest, deletion_id: str) -> HttpResponse:
        """Sends the signed receipt as a file, for whoever it is of."""
        row = get_object_or_404(Deletion, pk=deletion_id, state=Deletion.State.ERASED)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        disposition = content_disposition_header(True, f"{row.tenant_name}-receipt.json") or "attachment"
        return HttpResponse(row.receipt, content_type="application/json", headers={"Content-Disposition": disposition})

    @admin.display(description=_("signed receipt"))
    def receipt_file(self, row: Deletion) -> SafeString | str:
        if not row.receipt:
            return gettext("It is made when nothing is left.")
        return format_html(
            '<a href="{}" download>{}</a>', reverse("admin:offboarding_receipt", args=[row.pk]), gettext("Download")
        )

    @admin.display(description=_("recordings"))
    def recordings(self, row: Deletion) -> int:
        return int(row.erased.get(Recording._meta.label_lower, 0))

    @admin.display(description=_("stored media"))
    def stored(self, row: Deletion) -> str:
        return units.size(sum(row.media.get(name, 0) for name in ("bytes", "upload_bytes", "exchanged_bytes")))


def _tenant(request: HttpRequest, tenant_id: str) -> Tenant:
    """Raises PermissionDenied and Http404."""
    if not request.user.has_perm(MAY_DELETE):
        raise PermissionDenied(gettext("You may not delete tenants."))
    return get_object_or_404(Tenant, pk=tenant_id)


def _facts(tenant: Tenant) -> list[tuple[str, object]]:
    with scope.bound(tenant.id):
        return [
            (gettext("members"), Member.objects.filter(tenant=tenant).count()),
            (gettext("recordings"), Recording.objects.count()),
            (gettext("stored media"), units.size(tenant.quota.stored_bytes_used)),
            (gettext("ledger entries"), LedgerEntry.objects.count()),
        ]


@require_GET
@never_cache
def _archive(request: HttpRequest, tenant: Tenant) -> HttpResponse | StreamingHttpResponse:
    try:
        storage.check_bucket()
    except StorageUnavailable as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse("admin:offboarding_delete_tenant", args=[tenant.pk]))
    operator = operator_of(request, tenant)
    assert operator.operator is not None
    with scope.bound(tenant.id):
        row = downloads.begin(tenant, operator.operator.email)
    audit.record(operator, "tenant.exported", tenant)
    disposition = content_disposition_header(True, f"{tenant.name}.zip") or "attachment"
    headers = {"Content-Disposition": disposition, "X-Accel-Buffering": "no"}
    chunks = stream(tenant.id, downloads.stream(row, tenant, settings.PORTAL_URL))
    return StreamingHttpResponse(chunks, content_type="application/zip", headers=headers)
