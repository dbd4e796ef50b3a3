"""The indexed column: a tsvector of our own tokens on PostgreSQL, nothing on SQLite.

PostgreSQL's own text search configurations know no Chinese; trigrams (pg_trgm) don't find its words, which mostly
have two characters. Each token begins with its tenant's four characters, so that a lookup in the GIN index reads
that tenant's rows only, however common the word is elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models.lookups import Lookup

from transcription.search.folding import Term, tokens_of

MOST_BYTES = 900_000  # PostgreSQL's limit for a tsvector is a mebibyte


@dataclass(frozen=True)
class Tokens:
    """What the column is given."""

    tenant_id: UUID
    folded: str

    def lexemes(self) -> list[str]:
        """Without repetition, as many as PostgreSQL takes: hours of Chinese fit."""
        mark, room, found = _mark(self.tenant_id), MOST_BYTES, dict[str, None]()
        for token in tokens_of(self.folded):
            lexeme = mark + token
            if lexeme not in found:
                room -= len(lexeme.encode())
                if room < 0:
                    break
                found[lexeme] = None
        return list(found)


class TokensField(models.Field):  # type: ignore[type-arg]  # Django's takes none at run time
    """Written with `Tokens`, asked with `holds`; reading it back makes no sense."""

    def db_type(self, connection: Any) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "array_to_tsvector(%s::text[])" if connection.vendor == "postgresql" else "%s"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if connection.vendor != "postgresql":
            return ""
        return value.lexemes() if isinstance(value, Tokens) else []


@TokensField.register_lookup
class Holds(Lookup):
    """A tsquery, of `query_of`. PostgreSQL only."""

    lookup_name = "holds"

    def get_prep_lookup(self) -> Any:
        return self.rhs

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, left_values = self.process_lhs(compiler, connection)
        return f"{left} @@ %s::tsquery", [*left_values, self.rhs]


def query_of(tenant_id: UUID, terms: Iterable[Term]) -> str:
    """The tsquery that is true where all terms may be. Terms have neither quotes nor backslashes."""
    mark = _mark(tenant_id)
    return " & ".join(
        f"'{mark}{token}':*" if is_beginning else f"'{mark}{token}'"
        for term in terms
        for token, is_beginning in _tokens(term)
    )


def _tokens(term: Term) -> list[tuple[str, bool]]:
    """Each with whether it is a token's beginning only."""
    if not term.is_unspaced or len(term.text) == 1:
        return [(term.text, True)]
    return [(term.text[at : at + 2], False) for at in range(len(term.text) - 1)]


def _mark(tenant_id: UUID) -> str:
    """Four characters. Two tenants that share theirs only cost time: a query names its tenant too."""
    return base64.urlsafe_b64encode(hashlib.sha256(tenant_id.bytes).digest())[:4].decode()
