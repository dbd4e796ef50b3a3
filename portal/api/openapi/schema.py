"""Completes the schema that drf-spectacular makes of the views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from portal.api.native.components import components, reference
from portal.api.native.operations import NO_MORE
from portal.api.native.schemas.failures import ProblemBody
from portal.api.openapi import openai_paths
from portal.http.error_bodies import PROBLEM_TYPE

Schema = dict[str, Any]

PROBLEMS = {
    400: "What was sent is malformed, or an option is wrong.",
    401: "No live key.",
    402: "The quota is used up.",
    403: "The key may not do this.",
    404: "There is nothing of your organisation's here.",
    405: "Another method is meant.",
    406: "Another format is meant.",
    409: "Something else came first.",
    410: "It was deleted.",
    412: "It was changed meanwhile.",
    413: "Too large; the detail names the limit.",
    415: "Another content type is meant.",
    422: "What was sent cannot be used.",
    423: "Somebody else is at it.",
    428: "Say with If-Match which version you mean.",
    429: "Too many requests; `Retry-After` says when.",
    503: "Starting again; try in a moment.",
    507: "The server has no room.",
}
"""Any native operation may answer so, in application/problem+json."""


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its base carries no types
    """`Authorization: Bearer KEY`."""

    target_class = "portal.api.authentication.CallerAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        return {"type": "http", "scheme": "bearer", "description": "A key of your organisation, made under API keys."}


def complete(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """Adds problems, OpenAI's endpoints and the components of answers."""
    reference(ProblemBody)
    for path in result["paths"].values():
        for method in path.values():
            _add_problems(method)
            if method.get("description") == NO_MORE:
                del method["description"]
    result["paths"] |= openai_paths.paths()
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= components() | openai_paths.COMPONENTS
    return result


def _add_problems(operation: Schema) -> None:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in PROBLEMS.items():
        operation["responses"].setdefault(str(status), {"description": text, "content": content})
