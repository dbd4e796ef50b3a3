"""Where passages go when the times of their words are changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from transcription.comments.by_time import ByTime
from transcription.models import Comment
from transcription.strikes.places import SHORTEST_STRIKE, Word, words_of

Fields = dict[str, Any]
BESIDE = SHORTEST_STRIKE / 2
"""Seconds by which a passage may begin before its first word, and end after its last one."""


class _Move(NamedTuple):
    """A word before and after a change, and the seconds of its line before it."""

    former: Word
    latter: Word
    line: tuple[float, float]


def follow(recording_id: UUID, before: Sequence[Fields], after: Sequence[Fields]) -> None:
    """Moves comments with their words, where a change gave the words of lines other times and no other text."""
    moves = list(_moves(before, after)) if len(before) == len(after) else []
    if not moves:
        return
    words = ByTime((one.former.start, one.former.end, one) for one in moves)
    earliest, latest = min(one.line[0] for one in moves), max(one.line[1] for one in moves)
    changed = []
    for row in Comment.objects.filter(recording=recording_id, end__gt=earliest, start__lt=latest):
        found = words.within(row.start, row.end)
        if not found:
            continue
        first, last = found[0], max(found, key=lambda one: one.former.end)
        start = _moved(row.start, first) if row.start >= first.line[0] - BESIDE else row.start
        end = _moved(row.end, last) if row.end <= last.line[1] + BESIDE else row.end
        if (start, end) != (row.start, row.end) and start < end:
            row.start, row.end = start, end
            changed.append(row)
    Comment.objects.bulk_update(changed, ["start", "end"])


def _moves(before: Sequence[Fields], after: Sequence[Fields]) -> Iterator[_Move]:
    for former, latter in zip(before, after, strict=True):
        if former["text"].strip() != latter["text"].strip():
            continue
        were, are = _words(former), _words(latter)
        if len(were) == len(are) and were != are:
            yield from (_Move(*pair, (former["start"], former["end"])) for pair in zip(were, are, strict=True))


def _words(fields: Fields) -> list[Word]:
    return words_of(fields["text"].strip(), fields["words"], fields["start"], fields["end"])


def _moved(time: float, move: _Move) -> float:
    """Returns where a time of a word goes; what lies beside the word keeps its distance."""
    (_at, _to, start, end), (_now_at, _now_to, begin, finish) = move.former, move.latter
    if time <= start:
        moved = begin + time - start
    elif time >= end:
        moved = finish + time - end
    else:
        moved = begin + (time - start) * (finish - begin) / (end - start)
    return round(max(0.0, moved), 3)
