"""Parses JSON strictly, so that every parser of the same body understands the same."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _


class BadJson(ValueError):
    """The body is not JSON, or not unambiguous. The message says why."""


def parse(text: str | bytes) -> Any:
    """Returns the value of the JSON; bytes are UTF-8. Raises BadJson, also where an object has a name twice."""
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except BadJson:
        raise
    except UnicodeDecodeError:
        raise BadJson(_("The body is not UTF-8.")) from None
    except RecursionError:
        raise BadJson(_("The JSON is nested too deeply.")) from None
    except ValueError as error:
        raise BadJson(_("The body is not JSON: %(reason)s.") % {"reason": str(error)[:100]}) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadJson(_("An object of the JSON has the same name twice."))
    return found


def _refuse_constant(name: str) -> Any:
    raise BadJson(_("The body is not JSON: it has no %(name)s.") % {"name": name})
