"""The tokens that PostgreSQL indexes of a text, and the query for them.

PostgreSQL's own text search configurations know no Chinese; trigrams (pg_trgm) don't find its words, which mostly
have two characters. Each token begins with its tenant's four characters, so that a lookup in the GIN index reads
that tenant's rows only, however common the word is elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from uuid import UUID

from transcription.search.folding import Term, tokens_of

MAX_BYTES = 900_000  # PostgreSQL's limit for a tsvector is a mebibyte


def lexemes(tenant_id: UUID, folded: str) -> list[str]:
    """Returns the tokens of a folded text, each once, as many as PostgreSQL takes: hours of Chinese fit."""
    mark, room, found = _mark(tenant_id), MAX_BYTES, dict[str, None]()
    for token in tokens_of(folded):
        lexeme = mark + token
        if lexeme not in found:
            room -= len(lexeme.encode())
            if room < 0:
                break
            found[lexeme] = None
    return list(found)


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
