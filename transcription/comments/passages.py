"""Where passages go when the times of their words are changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from transcription.models import Comment

Fields = dict[str, Any]


def follow(recording_id: UUID, before: Sequence[Fields], after: Sequence[Fields]) -> None:
    """Moves comments with the lines that they begin in, where a change gave these other times and no other text."""
    if len(before) != len(after):
        return
    pairs = zip(before, after, strict=True)
    moves = [
        (former["start"], former["end"], latter["start"] - former["start"])
        for former, latter in pairs
        if former["text"].strip() == latter["text"].strip() and former["start"] != latter["start"]
    ]
    if not moves:
        return
    rows = Comment.objects.filter(recording=recording_id, start__gte=min(move[0] for move in moves))
    changed = []
    for row in rows.filter(start__lte=max(move[1] for move in moves)):
        by = next((move[2] for move in moves if move[0] <= row.start < move[1]), 0.0)
        if by:
            row.start, row.end = (round(max(0.0, time + by), 3) for time in (row.start, row.end))
            changed.append(row)
    Comment.objects.bulk_update(changed, ["start", "end"])
