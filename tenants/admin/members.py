"""The operators' pages of members, from which they act for one, and of the visits of support."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import addresses, second_factors, support
from tenants.admin.base import IsSet, OfTenant, ReadOnly, column
from tenants.admin.transfers import MemberResource, Transfers
from tenants.models import Member, SupportVisit, User
from tenants.session_access import MAY_ACT, SESSION_TENANT


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        min_length=5,
        max_length=200,
        help_text=_("Such as the number of the request for help. The tenant reads it in its audit log."),
        widget=forms.TextInput({"autocomplete": "off", "size": "80"}),
    )


@admin.register(Member)
class MemberAdmin(Transfers, ReadOnly, admin.ModelAdmin):
    """Lists members; they are changed on their tenant's page."""

    resource_classes = (MemberResource,)
    list_display = ("email", "name", "tenant", "role", "created_at", "act")
    list_filter = ("role", "user__is_active", ("tenant", OfTenant))
    list_select_related = ("tenant", "user")
    search_fields = ("user__email", "user__first_name", "user__last_name", "tenant__name")
    ordering = ("user__email", "tenant__name")

    def get_urls(self) -> list[URLPattern]:
        act = path("<int:member_id>/act/", self.admin_site.admin_view(self.act_for), name="tenants_member_act")
        return [act, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return shown if request.user.has_perm(MAY_ACT) else tuple(name for name in shown if name != "act")

    @admin.display(description=_("e-mail address"), ordering="user__email")
    def email(self, member: Member) -> str:
        return member.user.email

    @admin.display(description=_("name"))
    def name(self, member: Member) -> str:
        return member.user.get_full_name()

    @admin.display(description=_("support"))
    def act(self, member: Member) -> SafeString | str:
        if member.user.is_staff or member.user.is_superuser:
            return gettext("an operator")
        if member.tenant.bars_support:
            return gettext("not wanted")
        url = reverse("admin:tenants_member_act", args=[member.pk])
        return format_html('<a href="{}">{}</a>', url, gettext("Act for them…"))

    def act_for(self, request: HttpRequest, member_id: int) -> HttpResponse:
        """Asks for the second factor anew and for a reason, then leads on to the member's pages."""
        assert isinstance(request.user, User)
        member = get_object_or_404(Member.objects.select_related("tenant", "user"), pk=member_id)
        if not request.user.has_perm(MAY_ACT):
            raise PermissionDenied(gettext("You may not act for members."))
        if second_factors.has_one(request.user.pk) and not did_recently_reauthenticate(request):
            return redirect_to_login(request.path, reverse("account_reauthenticate"))
        form = ReasonForm(request.POST or None)
        if form.is_valid():
            session: Any = request.session
            reason, address = form.cleaned_data["reason"], addresses.of_request(request)
            try:
                support.begin(request.user, session, member, reason, address)
            except support.NoSecondFactor as missing:
                messages.error(request, str(missing))
                return HttpResponseRedirect(reverse("mfa_index"))
            except PermissionDenied as refused:
                form.add_error(None, str(refused))
            else:
                session.pop(SESSION_TENANT, None)
                return HttpResponseRedirect(reverse("web:recordings"))
        context = self.admin_site.each_context(request) | {
            "title": gettext("Act for %(person)s of %(tenant)s") % {"person": member.user, "tenant": member.tenant},
            "form": form,
            "minutes": settings.SUPPORT_MINUTES,
            "opts": Member._meta,
        }
        return TemplateResponse(request, "admin/tenants/member/act.html", context)


@admin.register(SupportVisit)
class SupportVisitAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("started_at", "operator_email", "member", "tenant", "reason", "until", "ended_at")
    member = column("member_email", _("member"))
    list_filter = (("ended_at", IsSet), "operator_email", ("tenant", OfTenant))
    list_select_related = ("tenant",)
    search_fields = ("operator_email", "member_email", "reason")
    date_hierarchy = "started_at"
    actions = ("end",)

    @admin.action(description=_("End the selected visits"), permissions=["end"])
    def end(self, request: HttpRequest, visits: QuerySet[SupportVisit]) -> None:
        assert isinstance(request.user, User)
        for visit in support.end_all(visits, request.user, addresses.of_request(request)):
            self.log_change(request, visit, gettext("Ended."))

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.change_supportvisit")
