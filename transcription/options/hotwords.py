"""Names and terms that are put into the prompt of every window."""

from __future__ import annotations

import re

ROOM = 600
"""Characters of terms: the 111 tokens of the prompt that hotwords have, in most languages."""

BETWEEN_TERMS = re.compile(r"[,;\n\r，、；]")
"""Chinese lists have commas of their own."""


def terms(text: str) -> list[str]:
    """Returns the terms of a list with commas or lines, each once, in its order."""
    plain = (" ".join(term.replace("\x00", "").split()) for term in BETWEEN_TERMS.split(text))
    return list(dict.fromkeys(term for term in plain if term))


def without(known: str, text: str) -> str:
    """Returns the list without the terms of another one."""
    left_out = set(terms(known))
    return ", ".join(term for term in terms(text) if term not in left_out)


def joined(*texts: str) -> str:
    """Returns one list of several, the first one's terms first. Joining the result again changes nothing."""
    return ", ".join(terms("\n".join(texts)))


def fitting(*texts: str) -> str:
    """Returns the first terms of several lists, as `joined`, that fit into the room."""
    room, kept = ROOM, list[str]()
    for term in terms("\n".join(texts)):
        if (room := room - len(term) - 2) < 0:
            break
        kept.append(term)
    return ", ".join(kept)
