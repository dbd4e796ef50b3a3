"""Forms that say at a field what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django import forms

from transcription.errors import InvalidOption, Refused


class RefusableForm(forms.Form):
    field_of: ClassVar[Mapping[str, str]] = {}
    """The fields of options that are called otherwise."""

    def refuse(self, error: InvalidOption | Refused) -> None:
        """Adds the error to the field of the option at fault; to the whole form where there is none."""
        name = error.param if isinstance(error, InvalidOption) else ""
        field = self.field_of.get(name, name)
        self.add_error(field if field in self.fields else None, str(error))
