"""The tokens of a text that PostgreSQL indexes, and the queries for them.

PostgreSQL's text search configurations don't support Chinese, and trigrams (pg_trgm) don't find its words, most of
which have two characters. Each token has a prefix of its tenant, so that a lookup in the GIN index reads only that
tenant's rows.

The words of the first line, which has the name, have a token for each of their ends, too, behind INSIDE: what a name
contains, "eting" of "meeting", is the beginning of one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from uuid import UUID

from transcription.scripts import is_unspaced
from transcription.search.folding import LONGEST_WORD, Term, tokens_of

INSIDE = "/"
"""Is in no folded text."""
MAX_BYTES = 900_000  # PostgreSQL's limit for a tsvector is a mebibyte


def lexemes(tenant_id: UUID, folded: str) -> list[str]:
    """Returns the distinct tokens of a folded text, up to PostgreSQL's limit; hours of Chinese fit."""
    prefix, bytes_left, unique = _prefix(tenant_id), MAX_BYTES, dict[str, None]()
    for token in (*_ends(folded.partition("\n")[0]), *tokens_of(folded)):
        lexeme = prefix + token
        if lexeme not in unique:
            bytes_left -= len(lexeme.encode())
            if bytes_left < 0:
                break
            unique[lexeme] = None
    return list(unique)


def query_of(tenant_id: UUID, terms: Iterable[Term], *, inside: bool = False) -> str:
    """Returns a tsquery for texts that may contain all terms, or names that may with `inside`, anywhere in words.

    Terms contain neither quotes nor backslashes.
    """
    prefix = _prefix(tenant_id)
    return " & ".join(
        f"'{prefix}{INSIDE if inside and not term.is_unspaced else ''}{token}'{':*' if is_beginning else ''}"
        for term in terms
        for token, is_beginning in _tokens(term)
    )


def _ends(line: str) -> Iterator[str]:
    for unit in dict.fromkeys(line.split()):
        if not is_unspaced(unit):
            yield from (INSIDE + unit[at:][:LONGEST_WORD] for at in range(len(unit)))


def _tokens(term: Term) -> list[tuple[str, bool]]:
    """Returns a term's tokens, each with whether it matches by its beginning."""
    if not term.is_unspaced or len(term.text) == 1:
        return [(term.text, True)]
    return [(term.text[at : at + 2], False) for at in range(len(term.text) - 1)]


def _prefix(tenant_id: UUID) -> str:
    """Returns four characters. A collision only costs time, since queries filter by tenant too."""
    return base64.urlsafe_b64encode(hashlib.sha256(tenant_id.bytes).digest())[:4].decode()
