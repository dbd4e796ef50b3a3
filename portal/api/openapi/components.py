"""The schema's components, from the very types that the views return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.plumbing import resolve_type_hint

Schema = dict[str, Any]
_met: dict[str, type] = {}
_resolved: Callable[[type], Schema] = resolve_type_hint  # it carries no types


def reference(body: type) -> Schema:
    """A reference to a TypedDict's component, which goes into the schema."""
    name = body.__name__.removesuffix("Body")
    if _met.setdefault(name, body) is not body:
        raise ValueError(f"two bodies are called {name}")
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(item: type) -> Schema:
    """A page of a cursor-paginated list."""
    link = {"type": "string", "format": "uri", "nullable": True}
    return {
        "type": "object",
        "required": ["next", "previous", "results"],
        "properties": {"next": link, "previous": link, "results": {"type": "array", "items": reference(item)}},
    }


def components() -> dict[str, Schema]:
    """Every component that was referred to, by name."""
    return {name: _resolved(body) for name, body in sorted(_met.items())}
