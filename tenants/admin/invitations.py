"""What the operators' page of a tenant has of invitations: whom it invited, one more, and revoking one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from tenants import invitations, mails
from tenants.admin.base import operator_of
from tenants.invitations import InvalidInvitation, Invitee
from tenants.members import MemberConflict
from tenants.models import Invitation, Member, Role, Tenant

PERMISSION = "tenants.add_member"


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.TypedChoiceField(label=_("Role"), choices=Role.choices, coerce=Role)


class Invites(admin.ModelAdmin):
    """Mixin of the admin of tenants. An owner invites everybody else; an operator invites the first owner."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.invite)
        return [path("<uuid:tenant_id>/invitation/", view, name="tenants_tenant_invite"), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        obj: Tenant | None = kwargs.get("obj")
        if obj is not None and request.user.has_perm(PERMISSION):
            has_owner = Member.objects.filter(tenant=obj, role=Role.OWNER).exists()
            first = Role.EDITOR if has_owner else Role.OWNER
            context |= {
                "invitation_form": InvitationForm(initial={"role": first}, prefix="invitation"),
                "invitations": invitations.open_invitations(operator_of(request, obj)),
                "has_owner": has_owner,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    @method_decorator(require_POST)
    def invite(self, request: HttpRequest, tenant_id: UUID) -> HttpResponse:
        """Invites one person, or revokes one invitation."""
        tenant = get_object_or_404(Tenant, pk=tenant_id)
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied(gettext("You may not invite people."))
        if "revoke" in request.POST:
            self._revoke(request, tenant)
        else:
            self._invite(request, tenant)
        return HttpResponseRedirect(reverse("admin:tenants_tenant_change", args=[tenant.pk]))

    def _invite(self, request: HttpRequest, tenant: Tenant) -> None:
        form = InvitationForm(request.POST, prefix="invitation")
        if not form.is_valid():
            text = "; ".join(str(error) for errors in form.errors.values() for error in errors)
            self.message_user(request, text, messages.ERROR)
            return
        wanted = Invitee(form.cleaned_data["email"], form.cleaned_data["role"])
        try:
            [row] = invitations.invite(operator_of(request, tenant), [wanted])
        except (InvalidInvitation, MemberConflict) as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return
        self.log_change(request, tenant, gettext("Invited %(email)s.") % {"email": row.email})
        mailed = _("%(email)s is mailed an invitation, which holds for seven days.")
        by_hand = _("No mail server is set up: send %(email)s this link, which holds for seven days: %(link)s")
        text = str(mailed if mails.are_sent() else by_hand)
        self.message_user(request, text % {"email": row.email, "link": invitations.link(row)}, messages.SUCCESS)

    def _revoke(self, request: HttpRequest, tenant: Tenant) -> None:
        actor = operator_of(request, tenant)
        with suppress(Http404, ValueError):  # accepted or revoked meanwhile
            row: Invitation = invitations.invitation(actor, UUID(request.POST["revoke"]))
            invitations.revoke(actor, row.id)
            self.log_change(request, tenant, gettext("Revoked the invitation of %(email)s.") % {"email": row.email})
        self.message_user(request, gettext("The invitation was revoked. Its link no longer works."), messages.SUCCESS)
