"""Adapts django-allauth's second factors: authenticator apps, passkeys and security keys, recovery codes.

allauth counts guesses and remembers used codes in the cache, that is in each process: here the database does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStage
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base import forms as code_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.totp import forms as app_forms
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn import forms as key_forms
from cryptography.fernet import InvalidToken
from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from fido2.webauthn import AuthenticationResponse
from qrcode.main import QRCode

from portal import devices
from tenants import addresses, factor_changes, sign_ins
from tenants.access import member_actor
from tenants.encryption import ciphers
from tenants.models import User
from tenants.second_factors import GUESSES, GUESSES_OF_A_DAY, has_one
from tenants.session_access import SIGNED_BY, SIGNED_UNTIL, SignedBy
from tenants.throttle import Limit

log = logging.getLogger(__name__)
USED = Limit("a second factor's answer", 1, 180)
"""Longer than a code holds: MFA_TOTP_TOLERANCE is one period before and after."""

ALONE = "passwordless"
"""In the data of a key: it was added for signing in without the password."""

RAISED_AT_JUNK = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
SALT = "portal.second_factor"
LONGEST_NAME = 60
MOST_KEYS = 20


class PortalMFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keeps secrets encrypted; mails are tenants.factor_changes' own."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": gettext_lazy("This code is not right, or it was used before. Try the next one."),
    }

    def get_totp_issuer(self) -> str:
        return f"Whisper Portal {context.request.get_host()}"

    def build_totp_svg(self, url: str) -> SafeString:
        """Draws the QR code as one path, without styles, which the policy of the pages forbids."""
        code = QRCode(border=4)
        code.add_data(url)
        rows = code.get_matrix()
        dots = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dot in enumerate(row) if dot)
        title = _("QR code for the authenticator app")
        return format_html(
            '<svg class="qr" viewBox="0 0 {0} {0}" role="img" aria-label="{1}"><path d="{2}"/></svg>',
            len(rows),
            title,
            dots,
        )

    def encrypt(self, text: str) -> str:
        return ciphers(SALT).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises ValidationError where SECRET_KEY is another one and SECRET_KEY_FALLBACKS lack the earlier."""
        try:
            return ciphers(SALT).decrypt(encrypted_text).decode()
        except InvalidToken:
            log.error("A second factor can't be read: SECRET_KEY has changed. Reset it, or see SECRET_KEY_FALLBACKS.")
            raise ValidationError(_("It can’t be read any more. Ask whoever runs the portal to reset it.")) from None

    def send_notification_mail(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        return devices.label(context.request.headers.get("User-Agent", ""))


class SecondStepStage(AuthenticateStage):  # type: ignore[misc]
    """Notes which password was right: a sign-in that is half done ends with a new one, as sessions do."""

    def handle(self) -> tuple[HttpResponse | None, bool]:
        signed_by = self.login.state.get(SIGNED_BY)
        if signed_by and signed_by["factor"]:
            return None, True
        self.state["password"] = self.login.user.get_session_auth_hash()
        answer: tuple[HttpResponse | None, bool] = super().handle()
        return answer

    def holds(self) -> bool:
        """Returns whether the password is still that one, and there still is a factor to ask for."""
        user = self.login.user
        return self.state.get("password") == user.get_session_auth_hash() and has_one(user.pk)


class SignedByStage(LoginStage):  # type: ignore[misc]
    """Hands on, as the last of the stages, whose provider signed somebody in, and for how long, to the session."""

    key = SIGNED_BY

    def handle(self) -> tuple[HttpResponse | None, bool]:
        for name in (SIGNED_BY, SIGNED_UNTIL):
            setattr(self.request, name, self.login.state.get(name))
        return None, True


class _CodeForm(code_forms.BaseAuthenticateForm):  # type: ignore[misc]
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        help_text=gettext_lazy("Of your authenticator app, or one of your recovery codes."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        with guessing(self.user):
            self.authenticator = _factor_of_code(self.user, code)
            use_once(self.user, normalize_user_code(code))
        return code

    def save(self) -> None:
        super().save()
        if self.authenticator.type == Authenticator.Type.RECOVERY_CODES:
            address = addresses.of_request(context.request)
            left = len(Authenticator.objects.get(pk=self.authenticator.pk).wrap().get_unused_codes())
            factor_changes.record_code_used(self.user, lambda member: member_actor(member, address), left)


class CodeForm(_CodeForm, code_forms.AuthenticateForm):  # type: ignore[misc]
    """A code of the app, or a recovery code, as the second step of signing in."""


class CodeAgainForm(_CodeForm, code_forms.ReauthenticateForm):  # type: ignore[misc]
    """The same of somebody who is signed in, before a change."""


class NewAppForm(app_forms.ActivateTOTPForm):  # type: ignore[misc]
    code = forms.CharField(
        label=gettext_lazy("Code that the app shows"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keeps the new secret encrypted in the session, which is a row of the database, too."""
        session, adapter = context.request.session, PortalMFAAdapter()
        try:
            session[SECRET_SESSION_KEY] = adapter.decrypt(session[SECRET_SESSION_KEY])
        except (KeyError, ValidationError):
            session.pop(SECRET_SESSION_KEY, None)
        super().__init__(*args, **kwargs)
        session[SECRET_SESSION_KEY] = adapter.encrypt(self.secret)

    def clean_code(self) -> str:
        code = str(super().clean_code())
        use_once(self.user, normalize_user_code(code))
        return code


class _KeyForm(key_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    """Limits nothing: nobody guesses a signature, and whoever guesses codes keeps nobody's key out."""

    def clean_credential(self) -> Authenticator:
        with _recording_refusal(self.user):
            return _answer_of(self, super().clean_credential)


class KeyForm(_KeyForm):
    """An answer of a passkey or a security key, as the second step of signing in."""


class KeyAgainForm(_KeyForm, key_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """The same of somebody who is signed in, before a change."""


class KeyAloneForm(key_forms.LoginWebAuthnForm):  # type: ignore[misc]
    """A passkey instead of a password: one that was added for it, and asked for a fingerprint, a face or a PIN.

    allauth asks the browser for that, but takes an answer to the question for a second factor, too.
    """

    def clean_credential(self) -> Authenticator:
        factor = _answer_of(self, super().clean_credential, is_verified=True)
        if not factor.data.get(ALONE):
            raise ValidationError(_("This one is for the step after the password. Sign in with the password first."))
        return factor


class NewKeyForm(key_forms.AddWebAuthnForm):  # type: ignore[misc]
    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST_NAME, required=False)
    passwordless = forms.BooleanField(
        label=gettext_lazy("Sign in with it alone, without the password"),
        required=False,
        initial=True,
        help_text=gettext_lazy("It asks for your fingerprint, your face or a PIN then. Some security keys can’t."),
    )

    def clean(self) -> dict[str, Any]:
        if Authenticator.objects.filter(user=self.user, type=Authenticator.Type.WEBAUTHN).count() >= MOST_KEYS:
            raise ValidationError(_("You have %(most)d of them. Remove one first.") % {"most": MOST_KEYS})
        with _parsing():
            values: dict[str, Any] = super().clean()
        return values


class NameForm(key_forms.EditWebAuthnForm):  # type: ignore[misc]
    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST_NAME)


@contextmanager
def guessing(user: User) -> Iterator[None]:
    """Counts an answer that the block refuses, and refuses all after too many. Raises ValidationError."""
    account = str(user.pk)
    if not GUESSES.take(account):
        raise ValidationError(_("Too many wrong answers. Wait a minute, then try again."))
    if not GUESSES_OF_A_DAY.take(account):
        GUESSES.give_back(account)
        raise ValidationError(
            _("Too many wrong answers today. Use a passkey, choose a new password, or try again in half an hour.")
        )
    with _recording_refusal(user):
        yield
    for limit in (GUESSES, GUESSES_OF_A_DAY):
        limit.give_back(account)


@contextmanager
def _recording_refusal(user: User) -> Iterator[None]:
    try:
        yield
    except ValidationError:
        sign_ins.record_refusal(user, addresses.of_request(context.request), is_factor=True)
        raise


def require(request: HttpRequest, user: User, signed_by: SignedBy | None = None) -> None:
    """Refuses a session to somebody who has shown no factor, but has one since the password was asked for.

    Whose provider has asked for one is asked for none. The first factor ends all sessions, and waits for the lock that
    this takes, in a transaction.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if signed_by is not None and signed_by["factor"]:
        return
    if has_one(user.pk) and all(one["method"] != "mfa" for one in get_authentication_records(request, user)):
        begin_again(request)
        raise ImmediateHttpResponse(redirect("account_login"))


def begin_again(request: HttpRequest) -> None:
    """Ends a sign-in that is half done, which the account's changes have overtaken."""
    clear_login(request)
    messages.info(request, _("Your account has changed. Sign in again."))


def use_once(user: User, answer: str) -> None:
    """Raises ValidationError where this answer, which is right, was taken before, by whichever process."""
    if not USED.take(str(user.pk), answer):
        raise PortalMFAAdapter().validation_error("incorrect_code")


def refused_key() -> ValidationError:
    return ValidationError(_("This passkey or security key was not accepted. Try again, or use another way."))


def _factor_of_code(user: User, code: str) -> Authenticator:
    """Returns the app or the recovery codes that a code is of. Those that can't be read don't hinder the others.

    Raises ValidationError.
    """
    rows = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN).order_by("-type", "id")
    refusals = []
    for row in rows:
        try:
            if row.wrap().validate_code(code):
                return row
            refusals.append(PortalMFAAdapter().validation_error("incorrect_code"))
        except ValidationError as unreadable:
            refusals.insert(0, unreadable)
    raise refusals.pop() if refusals else PortalMFAAdapter().validation_error("incorrect_code")


def _answer_of(form: forms.Form, clean: Callable[[], Authenticator], is_verified: bool = False) -> Authenticator:
    """Returns the factor that answered, and takes an answer to this question once. Raises ValidationError."""
    with _parsing():
        response = AuthenticationResponse.from_dict(form.cleaned_data["credential"]).response
        if is_verified and not response.authenticator_data.is_user_verified():
            raise refused_key()
        factor = clean()
        use_once(factor.user, response.client_data.challenge.hex())
    return factor


@contextmanager
def _parsing() -> Iterator[None]:
    """Raises ValidationError for whatever a library raises at what a browser sent, who may be anybody."""
    try:
        yield
    except (ValidationError, *RAISED_AT_JUNK) as error:
        raise refused_key() from error
    except Exception as error:
        log.exception("An answer of a passkey could not be checked.")
        raise refused_key() from error
