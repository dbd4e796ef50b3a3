"""The form of an organisation's OpenID or SAML provider."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal import saml
from portal.openid.errors import ProviderFailure
from portal.saml.metadata import describe
from portal.web.forms import LinesField
from tenants.identity_providers import ProviderSettings
from tenants.models import IdentityProvider, Protocol, Role, Tenant
from tenants.throttle import Limit
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import SIGN_IN, parse_target

MOST_ROLES = 100
GIVEN = (Role.VIEWER, Role.EDITOR, Role.ADMIN)
"""What a claim may give: owners are made by owners."""

TESTS = Limit("questions to an organisation's provider from its page", 10, 60)


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
        *("protocol", "issuer", "client_id", "client_secret", "metadata_url", "metadata", "email_claim"),
        *("makes_members", "default_role", "role_claim", "roles"),
        *("required_claim", "trusts_addresses", "counts_as_second_factor", "is_required", "is_enabled"),
    )

    class Meta:
        model = IdentityProvider
        fields = (
            *("protocol", "issuer", "client_id", "metadata_url", "metadata", "email_claim"),
            *("is_enabled", "makes_members", "default_role", "role_claim"),
            *("required_claim", "trusts_addresses", "counts_as_second_factor", "is_required"),
        )
        labels = {
            "makes_members": _("New people become members when they sign in"),
            "trusts_addresses": _("Accept e-mail addresses that the provider doesn’t mark as verified"),
            "counts_as_second_factor": _("The provider asks for a second factor"),
            "required_claim": _("Claim that is required to sign in"),
            "is_required": _("Members with an address of these domains must sign in this way"),
            "is_enabled": _("People can sign in with it"),
        }
        widgets = {
            "issuer": forms.TextInput(attrs={"autocomplete": "off", "placeholder": "https://login.example.com"}),
            "client_id": forms.TextInput(attrs={"autocomplete": "off"}),
            "metadata_url": forms.URLInput(attrs={"autocomplete": "off"}),
            "metadata": forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        }

    def __init__(self, tenant: Tenant, row: IdentityProvider | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"instance": row or IdentityProvider(), **kwargs})
        self.tenant = tenant
        if row and not row.is_saml:
            self.initial["protocol"] = Protocol.OPENID
        self.known_issuer = row.issuer if row and not row.is_saml else ""
        self.fields["protocol"].required = self.fields["issuer"].required = self.fields["client_id"].required = False
        self.initial["roles"] = "\n".join(f"{value} = {role}" for value, role in (row.roles if row else {}).items())
        if self.known_issuer:
            self.fields["client_secret"].help_text = _(
                "Empty keeps the one that there is. Another issuer needs its own."
            )

    def clean_protocol(self) -> str:
        """Takes SAML where what it needs is there."""
        protocol = str(self.cleaned_data["protocol"]) or Protocol.OPENID
        if protocol == Protocol.SAML and not saml.is_installed():
            message = gettext("What SAML needs is not installed: %(how)s") % {"how": saml.INSTALL}
            raise forms.ValidationError(message)
        return protocol

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
        """Empties what belongs to the other protocol, so that nothing old counts when it is chosen again."""
        values = super().clean() or {}
        if values.get("protocol") == Protocol.SAML:
            values |= {"client_id": "", "client_secret": ""}
            self._check_metadata(values)
        elif "protocol" in values:
            values |= {"metadata_url": "", "metadata": "", "email_claim": ""}
            self._check_client(values)
        if values.get("is_required") and not values.get("is_enabled"):
            self.add_error("is_required", gettext("It can be required only while people can sign in with it."))
        return values

    def _check_metadata(self, values: dict[str, Any]) -> None:
        """Reads the metadata now: who signs is the entity that they describe."""
        url, text = values.get("metadata_url", ""), values.get("metadata", "")
        named = "metadata_url" if url else "metadata"
        if bool(url) == bool(text):
            self.add_error(named, gettext("Enter either the address of the metadata, or the metadata themselves."))
            return
        if url and not TESTS.take(str(self.tenant.id)):
            self.add_error(named, gettext("Too many tests. Wait a minute."))
            return
        try:
            values["issuer"] = describe(url, text, values.get("issuer", ""), anew=True).issuer
        except ProviderFailure as failure:
            self.add_error(named, str(failure))

    def _check_client(self, values: dict[str, Any]) -> None:
        """Takes an address that could be reached; the test says whether it is."""
        issuer = values.get("issuer", "")
        try:
            parse_target(issuer, SIGN_IN)
            if "?" in issuer or "#" in issuer:
                self.add_error("issuer", gettext("An issuer has neither a query nor a fragment."))
        except OutboundError as error:
            self.add_error("issuer", str(error))
        if not values.get("client_id"):
            self.add_error("client_id", gettext("Enter the client ID."))
        if not values.get("client_secret") and issuer != self.known_issuer:
            self.add_error("client_secret", gettext("Enter the secret that belongs to this issuer."))

    @property
    def wanted(self) -> ProviderSettings:
        values = dict(self.cleaned_data)
        return ProviderSettings(secret=values.pop("client_secret"), **values)
