"""Where a text differs from what is said: the words by which each error is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from whisper.normalizers import EnglishTextNormalizer

normalized = EnglishTextNormalizer()


def errors_of(spoken: Sequence[str], written: Sequence[str]) -> Iterator[set[int]]:
    """Yields of each error the numbers of the words by which it is found.

    Words are normalised alone, so that it is known whose each token is.
    """
    found = [(token, at) for at, word in enumerate(written) for token in normalized(word).split()]
    edits = _edits(spoken, [token for token, _ in found])
    for is_same, group in groupby(edits, key=lambda edit: edit[0] == "same"):
        block = list(group)
        if is_same or _is_spelling(block, spoken, found, written):
            continue
        for kind, _, place in block:
            beside = found[max(0, place - 1) : place + 1] if kind == "missing" else [found[place]]
            yield {at for _, at in beside}


def _is_spelling(
    block: Sequence[tuple[str, int, int]],
    spoken: Sequence[str],
    found: Sequence[tuple[str, int]],
    written: Sequence[str],
) -> bool:
    """Returns whether neighbouring differences are gone without spaces, or where the words are normalised together."""
    expected = "".join(spoken[at] for kind, at, _ in block if kind != "added")
    tokens = [found[at] for kind, _, at in block if kind != "missing"]
    words = " ".join(written[at] for at in dict.fromkeys(at for _, at in tokens))
    return expected in ("".join(token for token, _ in tokens), normalized(words).replace(" ", ""))


def _edits(expected: Sequence[str], found: Sequence[str]) -> list[tuple[str, int, int]]:
    """Returns a shortest way from one to the other: what kind, and before or at which places of both."""
    costs = np.zeros((len(expected) + 1, len(found) + 1), dtype=int)
    costs[:, 0], costs[0, :] = range(len(expected) + 1), range(len(found) + 1)
    for i, word in enumerate(expected, 1):
        for j, other in enumerate(found, 1):
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, costs[i - 1, j - 1] + (word != other))
    i, j, edits = len(expected), len(found), []
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (expected[i - 1] != found[j - 1]):
            i, j = i - 1, j - 1
            edits.append(("same" if expected[i] == found[j] else "wrong", i, j))
        elif j and costs[i, j] == costs[i, j - 1] + 1:
            j -= 1
            edits.append(("added", i, j))
        else:
            i -= 1
            edits.append(("missing", i, j))
    return edits[::-1]
