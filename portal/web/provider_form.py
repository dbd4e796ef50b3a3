"""The form of an organisation's OpenID provider."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.web.forms import LinesField
from tenants.identity_providers import Wanted
from tenants.models import IdentityProvider, Role
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import SIGN_IN, parse_target

MOST_ROLES = 100
GIVEN = (Role.VIEWER, Role.EDITOR, Role.ADMIN)
"""What a claim may give: owners are made by owners."""


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # no parameters at run time
    client_secret = forms.CharField(
        label=_("Client secret"),
        max_length=1000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    roles = LinesField(
        label=_("Roles by the claim’s values"),
        required=False,
        max_length=10_000,
        help_text=_(
            "One a line, as in transcribers = editor. Roles: viewer, editor, admin; of several the highest counts. "
            "Whoever has none of them gets the role of newcomers, at each sign-in; owners keep theirs."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    field_order = (
        *("issuer", "client_id", "client_secret", "makes_members", "default_role", "role_claim", "roles"),
        *("required_claim", "trusts_addresses", "counts_as_second_factor", "is_required", "is_enabled"),
    )

    class Meta:
        model = IdentityProvider
        fields = (
            *("is_enabled", "issuer", "client_id", "makes_members", "default_role", "role_claim"),
            *("required_claim", "trusts_addresses", "counts_as_second_factor", "is_required"),
        )
        widgets = {
            "issuer": forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://login.example.com"}),
            "client_id": forms.TextInput(attrs={"autocomplete": "off"}),
        }

    def __init__(self, row: IdentityProvider | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"instance": row or IdentityProvider(), **kwargs})
        self.known_issuer = row.issuer if row else ""
        self.initial["roles"] = "\n".join(f"{value} = {role}" for value, role in (row.roles if row else {}).items())
        if row is not None:
            self.fields["client_secret"].help_text = _(
                "Empty keeps the one that there is. Another issuer needs its own."
            )

    def clean_issuer(self) -> str:
        """Takes an address that could be reached; the test says whether it is."""
        issuer = str(self.cleaned_data["issuer"]).strip()
        try:
            parse_target(issuer, SIGN_IN)
        except OutboundError as error:
            raise forms.ValidationError(str(error)) from None
        if "?" in issuer or "#" in issuer:
            raise forms.ValidationError(gettext("An issuer has neither a query nor a fragment."))
        return issuer

    def clean_required_claim(self) -> str:
        text = str(self.cleaned_data["required_claim"]).strip()
        named, _equals, value = (part.strip() for part in text.partition("="))
        if text and not (named and value):
            raise forms.ValidationError(gettext("Write the name of a claim, =, and its value."))
        return text

    def clean_roles(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, str(self.cleaned_data["roles"]).splitlines())):
            value, _equals, role = (part.strip() for part in line.rpartition("="))
            if not value or role not in GIVEN:
                message = gettext("“%(line)s”: write a value, =, and viewer, editor or admin.")
                raise forms.ValidationError(message % {"line": line[:80]})
            found[value] = role
        if len(found) > MOST_ROLES:
            raise forms.ValidationError(gettext("At most %(most)d values.") % {"most": MOST_ROLES})
        return found

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not values.get("client_secret") and values.get("issuer") != self.known_issuer and "issuer" in values:
            self.add_error("client_secret", gettext("Enter the secret that belongs to this issuer."))
        if values.get("is_required") and not values.get("is_enabled"):
            self.add_error("is_required", gettext("It can be required only while people can sign in with it."))
        return values

    @property
    def wanted(self) -> Wanted:
        values = dict(self.cleaned_data)
        return Wanted(secret=values.pop("client_secret"), **values)
