"""The pages of an organisation's people: members, their roles, and invitations."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.people_forms import InvitationForm, LeavingForm, ListForm, RoleForm, SecondFactorForm
from tenants import enrolled_voices, factor_changes, invitations, mails, members, second_factors
from tenants.former_members import KeyDecision
from tenants.invitations import InvalidInvitation, Invitee
from tenants.members import MemberConflict
from tenants.models import AllowedDomain
from transcription.shares import leavers, links

ON_A_PAGE = 50


@member_required("people.view")
def index(request: TenantRequest) -> HttpResponse:
    return _page(request)


@member_required("people.manage")
def invite(request: TenantRequest) -> HttpResponse:
    form = InvitationForm(request.actor, request.POST)
    if form.is_valid() and _invited(request, form, form.wanted):
        return redirect("web:people")
    return _page(request, form=form)


people = by_method(get=index, post=invite)


@require_POST
@member_required("people.manage")
def invite_many(request: TenantRequest) -> HttpResponse:
    """Invites all people of a list, or nobody."""
    form = ListForm(request.actor, request.POST, request.FILES)
    if form.is_valid() and _invited(request, form, form.wanted):
        return redirect("web:people")
    return _page(request, many=form)


@require_POST
@member_required("people.manage")
def invite_again(request: TenantRequest, invitation_id: UUID) -> HttpResponse:
    try:
        row = invitations.invite_again(request.actor, invitation_id)
    except MemberConflict as conflict:
        messages.error(request, str(conflict))
    else:
        mailed = _("%(email)s is mailed again. The earlier link no longer works.")
        text = mailed if mails.are_sent() else _("There is a new link for %(email)s. The earlier one no longer works.")
        messages.success(request, text % {"email": row.email})
    return redirect("web:people")


@require_POST
@member_required("people.manage")
def revoke_invitation(request: TenantRequest, invitation_id: UUID) -> HttpResponse:
    invitations.revoke(request.actor, invitation_id)
    messages.success(request, _("The invitation was revoked. Its link no longer works."))
    return redirect("web:people")


@require_POST
@member_required("people.manage")
def change_role(request: TenantRequest, member_id: int) -> HttpResponse:
    members.member(request.actor, member_id)
    form = RoleForm(request.actor, request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a role that you may give."))
        return redirect("web:people")
    try:
        changed = members.change_role(request.actor, member_id, form.cleaned_data["role"])
    except MemberConflict as conflict:
        messages.error(request, str(conflict))
    else:
        text = _("%(person)s has the role %(role)s now.")
        messages.success(request, text % {"person": changed.user, "role": changed.get_role_display()})
    return redirect("web:people")


@require_POST
@member_required("owners.manage")
def transfer(request: TenantRequest, member_id: int) -> HttpResponse:
    successor = members.transfer_ownership(request.actor, member_id)
    messages.success(request, _("%(person)s is an owner now, and you are an admin.") % {"person": successor.user})
    return redirect("web:people")


@require_POST
@member_required("owners.manage")
def require_second_factor(request: TenantRequest) -> HttpResponse:
    form = SecondFactorForm(request.actor, request.POST)
    wanted = form.cleaned_data["days"] if form.is_valid() else ""
    if not wanted:
        messages.error(request, _("Choose one of the list."))
    if wanted in ("", form.AS_IT_IS):
        return redirect("web:people")
    try:
        factor_changes.require_of_members(request.actor, None if wanted == form.FREE else int(wanted))
    except MemberConflict as conflict:
        messages.error(request, str(conflict))
    else:
        own_choice = _("Two-factor authentication is everybody’s own choice.")
        required = _("Members need two-factor authentication.")
        messages.success(request, own_choice if wanted == form.FREE else required)
    return redirect("web:people")


@require_POST
@member_required("owners.manage")
def reset_second_factor(request: TenantRequest, member_id: int) -> HttpResponse:
    try:
        member = factor_changes.reset_of_member(request.actor, member_id)
    except MemberConflict as conflict:
        messages.error(request, str(conflict))
    else:
        text = _("%(person)s signs in with the password alone now, and was signed out everywhere.")
        messages.success(request, text % {"person": member.user})
    return redirect("web:people")


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("people.view")
def remove(request: TenantRequest, member_id: int) -> HttpResponse:
    """Asks what becomes of the member's keys, then removes them; one's own page lets one leave."""
    leaver = members.member(request.actor, member_id)
    leaves = request.actor.member is not None and leaver.id == request.actor.member.id
    if not leaves:
        members.require_role(request.actor, leaver.role)
    form = LeavingForm(request.POST or None)
    if request.method == "POST":
        keys = (form.is_valid() and form.cleaned_data["keys"]) or KeyDecision.REVOKE
        try:
            with transaction.atomic():
                members.remove(request.actor, member_id, keys)
                leavers.settle(request.actor, leaver, _decision(request, form))
        except MemberConflict as conflict:
            messages.error(request, str(conflict))
            return redirect("web:people")
        done = _("You left %(tenant)s.") if leaves else _("%(person)s was removed from %(tenant)s.")
        messages.success(request, done % {"person": leaver.user, "tenant": request.actor.tenant})
        return redirect("web:home" if leaves else "web:people")
    decides = request.actor.may("keys.manage")
    context = {"leaver": leaver, "leaves": leaves, "keys": members.keys_of(leaver), "form": form, "decides": decides}
    context |= {"links": leavers.count_of(leaver), "section": "people"}
    return render(request, "web/leaving.html", context)


def _decision(request: TenantRequest, form: LeavingForm) -> str:
    """Returns what becomes of a leaver's share links: they end, unless somebody who manages links keeps them."""
    keeps = request.actor.may(links.MANAGE) and form.is_valid() and form.cleaned_data["links"]
    return keeps or KeyDecision.REVOKE


def _invited(request: TenantRequest, form: forms.Form, wanted: list[Invitee]) -> bool:
    """Invites, or adds what is wrong to the form."""
    try:
        made = invitations.invite(request.actor, wanted)
    except (InvalidInvitation, MemberConflict) as error:
        form.add_error(None, str(error))
        return False
    text = ngettext("%(n)d person was invited.", "%(n)d people were invited.", len(made)) % {"n": len(made)}
    messages.success(request, text)
    return True


def _page(request: TenantRequest, form: InvitationForm | None = None, many: ListForm | None = None) -> HttpResponse:
    actor = request.actor
    roles = members.roles_to_give(actor)
    everybody = second_factors.with_factors(members.members(actor))
    context = {
        "page": Paginator(everybody, ON_A_PAGE).get_page(request.GET.get("page")),
        "roles": roles,
        "form": form or InvitationForm(actor),
        "many": many or ListForm(actor, auto_id="many_%s"),
        "many_is_open": many is not None,
        "second_factor": SecondFactorForm(actor),
        "single_sign_on": settings.SINGLE_SIGN_ON,
        "voices": enrolled_voices.count(actor.tenant),
        "section": "people",
    }
    if roles:
        rows = invitations.open_invitations(actor)
        context["domains"] = AllowedDomain.objects.filter(tenant=actor.tenant)
        context["invitations"] = [
            {
                "row": row,
                "link": invitations.link(row) if row.role in roles else "",
                "is_unmailable": invitations.is_unmailable(row),
            }
            for row in rows
        ]
    return render(request, "web/people.html", context)
