"""What a correction of some words becomes where it is made everywhere else in the transcript."""

from __future__ import annotations

from transcription.scripts import line_break_units
from transcription.transcripts.substitution import LONGEST_FIND, Search

MOST_WORDS = 6


def search_of(before: str, after: str) -> Search | None:
    """Returns what would find and replace the one place in which two texts differ, as whole words in this case.

    None where there are several, or many words. Punctuation beside the words is not looked for.
    """
    former, latter = line_break_units(before.strip()), line_break_units(after.strip())
    head = _equal(former, latter)
    tail = _equal(former[head:][::-1], latter[head:][::-1])
    wrong = "".join(former[head : len(former) - tail]).strip()
    right = "".join(latter[head : len(latter) - tail]).strip()
    if max(len(former), len(latter)) - head - tail > MOST_WORDS or len(wrong) > LONGEST_FIND:
        return None
    while wrong and right and wrong[-1] == right[-1] and not wrong[-1].isalnum():
        wrong, right = wrong[:-1], right[:-1]
    while wrong and right and wrong[0] == right[0] and not wrong[0].isalnum():
        wrong, right = wrong[1:], right[1:]
    return Search(wrong, right, match_case=True, whole_words=True) if wrong and right else None


def _equal(former: list[str], latter: list[str]) -> int:
    """Returns how many words are equal at the beginning."""
    pairs = zip(former, latter, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a.strip() != b.strip()), min(len(former), len(latter)))
