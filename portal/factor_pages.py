"""Pages of second factors: django-allauth's views behind our own pages, and what they change told to the person."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.models import Login
from allauth.account.stages import LoginStageController
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as code_views
from allauth.mfa.totp import views as app_views
from allauth.mfa.webauthn import views as key_views
from allauth.mfa.webauthn.internal.flows import perform_passwordless_login
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django.views.generic import FormView

from portal.second_factor import ALONE, SecondStepStage, begin_again
from tenants import addresses, factor_changes, second_factors
from tenants.access import member_actor
from tenants.models import User
from tenants.throttle import Limit

REFUSED = Limit("refused passkeys from an address", 30, 60)
QUESTIONS = Limit("questions for a passkey from an address", 300, 60)
QUESTION_SECONDS = 900
FEW_CODES = 3
View = Callable[..., HttpResponseBase]


def changing(view: View) -> View:
    """Audits and mails what a view changes of the factors of whoever is signed in: with POST, and with nothing else.

    Django's views answer PUT and DELETE, too.
    """

    @require_http_methods(["GET", "HEAD", "POST"])
    @login_required
    @wraps(view)
    def recorded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, **arguments)
        assert isinstance(request.user, User)
        address = addresses.of_request(request)
        with factor_changes.recording_changes(
            request.user, lambda member: member_actor(member, address), request.session.session_key
        ):
            return view(request, **arguments)

    return recorded


def removing(view: View) -> View:
    """Keeps the last factor of who needs one, who would reach nothing but the page that sets up another."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        assert isinstance(request.user, User)
        if request.method == "POST" and second_factors.factors_of(request.user.pk).count() == 1:
            operates = settings.OPERATOR_SECOND_FACTOR and request.user.is_staff
            if operates or second_factors.requiring(request.user):
                messages.error(request, _("You need one. Add another one first, then remove this one."))
                return redirect("mfa_index")
        return view(request, **arguments)

    return changing(guarded)


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    factors = second_factors.factors_of(request.user.pk)
    codes = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.RECOVERY_CODES).first()
    context = {
        "app": next((row for row in factors if row.type == Authenticator.Type.TOTP), None),
        "keys": [row.wrap() for row in factors if row.type == Authenticator.Type.WEBAUTHN],
        "codes": codes,
        "codes_left": _codes_left(codes) if codes else 0,
        "few": FEW_CODES,
        "keys_work": keys_work_at(request),
        "requiring": second_factors.requiring(request.user),
        "of_operators": settings.OPERATOR_SECOND_FACTOR and request.user.is_staff,
        "now": timezone.now(),
    }
    return render(request, "mfa/index.html", context)


def keys_work_at(request: HttpRequest) -> bool:
    """Returns whether browsers offer passkeys at this address: with https or at localhost, and by name."""
    host = request.get_host().rsplit(":", 1)[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return request.is_secure() or host == "localhost"
    return False


class SecondStep(AuthenticateView):  # type: ignore[misc]
    """Asks for the second factor of somebody whose password was right."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        stage = LoginStageController.enter(request, SecondStepStage.key)
        if stage is not None and not stage.holds():
            begin_again(request)
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**more)
        types = set(second_factors.factors_of(self.stage.login.user.pk).values_list("type", flat=True))
        return context | {"has_key": Authenticator.Type.WEBAUTHN in types and keys_work_at(self.request)}


class KeyAgain(key_views.ReauthenticateWebAuthnView):  # type: ignore[misc]
    """Says what went wrong where allauth leads away."""

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        answer: HttpResponse = self.render_to_response(self.get_context_data() | {"form": form})
        return answer


class Passkey(key_views.LoginWebAuthnView):  # type: ignore[misc]
    """Signs somebody in by a passkey alone, and leads to where they wanted to go."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        limit = REFUSED if request.method == "POST" else QUESTIONS
        if (site := _site_of(request)) and not limit.take(site):
            return render(request, "429.html", status=429)
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Asks for a passkey. Who never answers leaves a session in the database for no longer than that takes."""
        answer: HttpResponse = super().get(request, *args, **kwargs)
        if isinstance(answer, JsonResponse):
            request.session.set_expiry(QUESTION_SECONDS)
        return answer

    def form_valid(self, form: forms.Form) -> HttpResponse:
        REFUSED.give_back(_site_of(self.request))
        factor = form.cleaned_data["credential"]
        login = Login(user=factor.user, redirect_url=get_next_redirect_url(self.request))
        answer: HttpResponse = perform_passwordless_login(self.request, factor, login)
        self.request.session.set_expiry(None if self.request.POST.get("remember") else 0)
        return answer


class AddKey(key_views.AddWebAuthnView):  # type: ignore[misc]
    """Keeps with a key whether it signs in alone."""

    def form_valid(self, form: forms.Form) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        row = Authenticator.objects.filter(user=self.request.user, type=Authenticator.Type.WEBAUTHN).latest("pk")
        row.data[ALONE] = form.cleaned_data[ALONE]
        row.save(update_fields=["data"])
        return answer


class Codes(code_views.ViewRecoveryCodesView):  # type: ignore[misc]
    """Leads to where it is said that they can't be read any more, and made anew."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer: HttpResponseBase = super().get(request, *args, **kwargs)
        except ValidationError:
            return redirect("mfa_index")
        return answer


class NewCodes(code_views.GenerateRecoveryCodesView):  # type: ignore[misc]
    """Makes new ones where the earlier ones can't be read any more, too."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        try:
            context: dict[str, Any] = super().get_context_data(**more)
        except ValidationError:
            context = FormView.get_context_data(self, **more) | {"unused_code_count": None}
        return context


add_app = changing(app_views.ActivateTOTPView.as_view())
remove_app = removing(app_views.DeactivateTOTPView.as_view())
add_key = changing(AddKey.as_view())
rename_key = changing(key_views.EditWebAuthnView.as_view(success_url=reverse_lazy("mfa_index")))
remove_key = removing(key_views.RemoveWebAuthnView.as_view(success_url=reverse_lazy("mfa_index")))
new_codes = changing(NewCodes.as_view())
codes = Codes.as_view()


def _site_of(request: HttpRequest) -> str:
    """Returns what is counted by; empty where the server knows nobody's address, where nothing is."""
    return addresses.site_of(addresses.of_request(request))


def _codes_left(codes: Authenticator) -> int | None:
    """Returns None where they can't be read any more."""
    try:
        return len(codes.wrap().get_unused_codes())
    except ValidationError:
        return None
