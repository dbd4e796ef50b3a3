"""What an organisation decides for itself, for programs: as on its page, by the same forms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from django.core.exceptions import ValidationError
from django.forms import ChoiceField, Field
from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, operation
from portal.api.native.parsing import RequestBody, parse_body
from portal.api.native.schemas.preferences import ACCESS, LIST, PREFERENCES, AccessChanges, PreferenceChanges
from portal.api.native.tenant_view import TenantView
from portal.preferences import PERMISSION, AccessForm, OrganisationForm, PreferencesForm
from transcription.errors import InvalidOption
from transcription.options.options import codes_of


class FormView(TenantView):
    """The fields of a form."""

    form: type[OrganisationForm]
    body: type[RequestBody]

    def shown(self) -> Response:
        self.actor.require(PERMISSION)
        shown = dict(self.form(instance=self.actor.tenant).initial)
        return Response(shown | ({LIST: codes_of(shown[LIST])} if LIST in shown else {}))

    def changed(self, request: Request) -> Response:
        """Raises InvalidOption."""
        self.actor.require(PERMISSION)
        sent = parse_body(request, self.body).model_dump(exclude_unset=True)
        form = self.form.of(self.actor.tenant, sent | ({LIST: ",".join(sent[LIST])} if LIST in sent else {}))
        if not form.is_valid():
            name, errors = next(iter(form.errors.items()))
            raise InvalidOption(name, _with_choices(form.fields[name], errors.as_data()[0]) or str(errors[0]))
        form.save_for(self.actor)
        return self.shown()


def _with_choices(field: Field, error: ValidationError) -> str:
    """Returns what could be chosen, where something else was."""
    if error.code != "invalid_choice" or not isinstance(field, ChoiceField):
        return ""
    choices = cast("Iterable[tuple[str, str]]", field.choices)
    return _("It must be one of: %(known)s.") % {"known": ", ".join(f"“{value}”" for value, _label in choices)}


class PreferencesView(FormView):
    """GET or PATCH how recordings are transcribed where a request doesn't say, and how long the bin keeps them."""

    form, body = PreferencesForm, PreferenceChanges

    @operation("retrievePreferences", "How recordings are transcribed where a request doesn’t say", {200: PREFERENCES})
    def get(self, _request: Request) -> Response:
        return self.shown()

    @operation("updatePreferences", "Change preferences", {200: PREFERENCES}, body={JSON: PreferenceChanges})
    def patch(self, request: Request) -> Response:
        return self.changed(request)


class AccessView(FormView):
    """GET or PATCH who is let in from outside."""

    form, body = AccessForm, AccessChanges

    @operation("retrieveAccess", "Who is let in from outside", {200: ACCESS})
    def get(self, _request: Request) -> Response:
        return self.shown()

    @operation("updateAccess", "Change who is let in from outside", {200: ACCESS}, body={JSON: AccessChanges})
    def patch(self, request: Request) -> Response:
        return self.changed(request)


urls = [
    path("preferences", PreferencesView.as_view(), name="native_preferences"),
    path("preferences/access", AccessView.as_view(), name="native_access"),
]
