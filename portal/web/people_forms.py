"""The forms of members and invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.web.forms import LinesField
from tenants import invitations, members
from tenants.access import Actor
from tenants.former_members import KeyDecision
from tenants.invitations import InvalidInvitation, Invitee
from tenants.models import Role

MAX_FILE_BYTES = 4 * invitations.MAX_LIST_CHARACTERS


class RoleForm(forms.Form):
    """A role that the actor may give."""

    role = forms.TypedChoiceField(label=_("Role"), coerce=Role, initial=Role.EDITOR)

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(role.value, role.label) for role in members.roles_to_give(actor)]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]


class SecondFactorForm(forms.Form):
    """Whether members need a second factor, and from when on."""

    AS_IT_IS, FREE = "as_it_is", "free"
    CHOICES = (
        (FREE, _("Everybody’s own choice")),
        ("0", _("Required, at once")),
        ("7", _("Required in 7 days")),
        ("14", _("Required in 14 days")),
        ("30", _("Required in 30 days")),
    )
    days = forms.ChoiceField(label=_("Two-factor authentication"))

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        as_it_is = [(self.AS_IT_IS, _("As it is"))] if actor.tenant.second_factor_from else []
        self.fields["days"].choices = [*as_it_is, *self.CHOICES]  # type: ignore[attr-defined]


class InvitationForm(RoleForm):
    """One person to invite."""

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "carol@example.com"}),
    )
    field_order = ("email", "role")

    @property
    def wanted(self) -> list[Invitee]:
        return [Invitee(self.cleaned_data["email"], self.cleaned_data["role"])]


class ListForm(RoleForm):
    """Many people to invite: lines, or a CSV file."""

    people = LinesField(
        label=_("Addresses, one a line"),
        required=False,
        max_length=invitations.MAX_LIST_CHARACTERS,
        help_text=_("After a comma, a role may follow: carol@example.com, editor"),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=_("Or a CSV file"), required=False, widget=forms.FileInput(attrs={"accept": ".csv,text/csv"})
    )
    field_order = ("people", "file", "role")
    wanted: list[Invitee]

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(actor, *args, **kwargs)
        self.fields["role"].label = _("Role where a line has none")

    def clean(self) -> dict[str, Any]:
        """Reads the people into `wanted`; a file counts where both are given."""
        values = super().clean() or {}
        if self.errors:
            return values
        try:
            self.wanted = invitations.parse_list(self._text(), values["role"])
        except InvalidInvitation as error:
            self.add_error("file" if values.get("file") else "people", str(error))
        return values

    def _text(self) -> str:
        """Raises InvalidInvitation."""
        file = self.cleaned_data.get("file")
        if not file:
            return str(self.cleaned_data["people"])
        if file.size > MAX_FILE_BYTES:
            raise InvalidInvitation(_("The list is too long."))
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise InvalidInvitation(_("Save the file as UTF-8.")) from None


class LeavingForm(forms.Form):
    """What becomes of the API keys and share links that a leaving member made."""

    keys = forms.ChoiceField(
        label=_("What becomes of these API keys?"),
        choices=KeyDecision.choices,
        initial=KeyDecision.REVOKE,
        required=False,
        widget=forms.RadioSelect,
        help_text=_("Whoever knows its secret can go on using a key that is kept."),
    )
    links = forms.ChoiceField(
        label=_("What becomes of these share links?"),
        choices=KeyDecision.choices,
        initial=KeyDecision.REVOKE,
        required=False,
        widget=forms.RadioSelect,
    )
