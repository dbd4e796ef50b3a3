"""The page on which people with an address of an allowed domain ask for a link to join."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from tenants import addresses, announcements, sign_ups
from tenants.throttle import Limit

OF_ADDRESS = Limit("sign-ups from an address", 10, 3600)


class SignUpForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Answers the same for every address, whether or not it is allowed or has an account."""
    if request.method == "POST":
        announcements.require_changes_of_account(request.user)
    if not sign_ups.is_open():
        return render(request, "account/signup_closed.html")
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "account/signup.html", {"form": form})
    if not OF_ADDRESS.take(addresses.site_of(addresses.of_request(request))):
        return render(request, "429.html", status=429)
    sign_ups.sign_up(form.cleaned_data["email"])
    return render(request, "account/signup_sent.html")
