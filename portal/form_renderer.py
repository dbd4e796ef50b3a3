"""Renders forms as Django does, but for menus without a template for each of their options.

The page of the library has hundreds of options, each of which would be two templates.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SELECT = "django/forms/widgets/select.html"


class FormRenderer(DjangoTemplates):
    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        return (
            _select(context["widget"]) if template_name == SELECT else super().render(template_name, context, request)
        )


def _select(widget: dict[str, Any]) -> SafeString:
    groups = format_html_join("\n  ", "{}", ([_group(name, options)] for name, options, _index in widget["optgroups"]))
    return format_html('<select name="{}"{}>\n  {}\n</select>', widget["name"], _attributes(widget["attrs"]), groups)


def _group(name: str | None, options: Iterable[dict[str, Any]]) -> SafeString:
    listed = format_html_join(
        "\n  ",
        '<option value="{}"{}>{}</option>',
        ((one["value"], _attributes(one["attrs"]), one["label"]) for one in options),
    )
    return format_html('<optgroup label="{}">\n  {}\n  </optgroup>', name, listed) if name else listed


def _attributes(attributes: dict[str, Any]) -> SafeString:
    """Leaves out what is False; True stands without a value."""
    if not attributes:
        return SafeString("")
    set_ones = ((name, value) for name, value in attributes.items() if value is not False)
    return format_html_join(
        "", "{}", ([format_html(" {}", n) if v is True else format_html(' {}="{}"', n, v)] for n, v in set_ones)
    )
