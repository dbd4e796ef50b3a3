"""The schema's components of answers, from the types that the views return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.plumbing import resolve_type_hint

Schema = dict[str, Any]
_referred: dict[str, type] = {}
_resolved: Callable[[type], Schema] = resolve_type_hint  # it carries no types


def reference(body: type) -> Schema:
    """Returns a reference to a TypedDict's component, and adds that to the schema."""
    name = body.__name__.removesuffix("Body")
    if _referred.setdefault(name, body) is not body:
        raise ValueError(f"two bodies are called {name}")
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(item: type) -> Schema:
    """Returns the schema of a page of a cursor-paginated list."""
    link = {"type": "string", "format": "uri", "nullable": True}
    return {
        "type": "object",
        "required": ["next", "previous", "results"],
        "properties": {"next": link, "previous": link, "results": {"type": "array", "items": reference(item)}},
    }


def components() -> dict[str, Schema]:
    """Returns every component that was referred to, by name."""
    return {name: _resolved(body) for name, body in sorted(_referred.items())}
