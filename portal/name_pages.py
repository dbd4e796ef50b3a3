"""The page on which people change their own name."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.invitation_pages import name_fields
from tenants import addresses, directory, people
from tenants.access import member_actor
from tenants.models import User


class NameForm(forms.ModelForm):  # type: ignore[type-arg]  # no parameters at run time
    """First and last name; without both, the e-mail address stands for the person."""

    first_name, last_name = name_fields()

    class Meta:
        model = User
        fields = ("first_name", "last_name")

    def save(self, commit: bool = True) -> User:
        self.instance.save(update_fields=["first_name", "last_name"])
        return self.instance  # type: ignore[no-any-return]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def own_name(request: HttpRequest) -> HttpResponse:
    """Changes the name, unless a directory gives it, which would change it back."""
    assert isinstance(request.user, User)
    user = User.objects.get(pk=request.user.pk)
    names_by = directory.names(user)
    data: Any = request.POST if request.method == "POST" and names_by is None else None
    form = NameForm(data, instance=user)
    if form.is_valid():
        address = addresses.of_request(request)
        with people.recording_changes(user.pk, lambda member: member_actor(member, address)):
            form.save()
        messages.success(request, _("Your name is saved."))
        return redirect("account_name")
    return render(request, "account/name.html", {"form": form, "names_by": names_by})
