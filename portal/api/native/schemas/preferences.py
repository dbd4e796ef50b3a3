"""What an organisation decides for itself: bodies and answers have the fields of the page's forms."""

from __future__ import annotations

from typing import Annotated, Any, cast

from django import forms
from django.db.models import CharField
from pydantic import BeforeValidator, create_model

from portal.api.native.parsing import Count, RequestBody, Text, documented
from portal.preferences import AccessForm, OrganisationForm, PreferencesForm
from tenants.models import Tenant

LIST = "languages"  # a text with commas in the form


def _listed(sent: Any) -> Any:
    """Takes names with commas between them for a list, too."""
    return sent.split(",") if isinstance(sent, str) else sent


Names = Annotated[list[Text], BeforeValidator(_listed)]


def _body_of(name: str, form: type[OrganisationForm]) -> type[RequestBody]:
    """Returns the body that changes some of a form's fields."""
    fields: dict[str, Any] = {name: (_type_of(name, field) | None, None) for name, field in form.base_fields.items()}
    return cast(type[RequestBody], create_model(name, __base__=RequestBody, __doc__="What is to change.", **fields))


def _type_of(name: str, field: forms.Field) -> Any:
    if isinstance(field, forms.BooleanField):
        return bool
    if isinstance(field, forms.IntegerField):
        return Count
    if name == LIST:
        return Names
    column = cast("CharField[str, str]", Tenant._meta.get_field(name))
    choices = [value for value, _label in column.flatchoices]
    return Annotated[Text, documented(enum=choices) if choices else documented(maxLength=column.max_length)]


def _answer_of(body: type[RequestBody]) -> dict[str, Any]:
    """Returns the schema of all fields."""
    parts = body.model_json_schema()["properties"]
    fields = {name: {key: part[key] for key in ("type", "items") if key in part} for name, part in parts.items()}
    return {"application/json": {"type": "object", "properties": fields, "required": list(fields)}}


PreferenceChanges = _body_of("PreferenceChanges", PreferencesForm)
AccessChanges = _body_of("AccessChanges", AccessForm)
PREFERENCES, ACCESS = _answer_of(PreferenceChanges), _answer_of(AccessChanges)
