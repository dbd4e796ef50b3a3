"""The corrections of a transcript, each with the words it changed.

A revision stores the segments it replaced. The segments it wrote are reconstructed from the current text, by undoing
revisions from the newest backwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Min

from transcription.models import Revision, Speaker, Transcription
from transcription.transcripts.segment_edits import SegmentFields
from transcription.transcripts.word_diff import Difference, difference

AT_ONCE = 10  # revisions may be large, so only a few are in memory


@dataclass(frozen=True)
class SegmentText:
    """A segment's seconds, text and speaker."""

    start: float
    end: float
    text: str
    speaker: int | None = None


@dataclass(frozen=True)
class TranscriptState:
    """A transcript after `revision`. `names` are those of its speakers by index, empty where they have none."""

    revision: int
    segments: list[SegmentText]
    names: dict[int, str]


@dataclass(frozen=True)
class SpeakerChange:
    """A speaker that got another name, or whose segments, `segments` of them, were given to another one.

    The names are labels such as “Speaker 1” where speakers have none; empty stands for nobody.
    """

    former: str
    latter: str
    segments: int = 0


@dataclass(frozen=True)
class Change:
    """One revision: its start in seconds of the recording, and the words and speakers it changed, if any."""

    revision: Revision
    start: float
    words: Difference
    speakers: list[SpeakerChange]


def current_state(row: Transcription) -> TranscriptState:
    """Returns the current transcript, text and revision by one query so that they belong together."""
    rows = Transcription.objects.filter(pk=row.pk).order_by("segments__index")
    columns = ("segments__start", "segments__end", "segments__text", "segments__speaker")
    values = list(rows.values_list("revision", *columns))
    segments = [SegmentText(one[1], one[2], one[3].strip(), one[4]) for one in values if one[3] is not None]
    names = dict(row.speaker_set.values_list("index", "name"))
    return TranscriptState(values[0][0] if values else row.revision, segments, names)


def kept_revisions(row: Transcription, state: TranscriptState) -> range:
    """Returns the numbers of the stored revisions, newest first."""
    oldest = Revision.objects.filter(transcription=row).aggregate(oldest=Min("number"))["oldest"]
    return range(state.revision, (oldest or state.revision + 1) - 1, -1)


def changes(row: Transcription, state: TranscriptState, numbers: Sequence[int]) -> list[Change]:
    """Returns the changes of `numbers`, a contiguous part of `kept_revisions`."""
    if not numbers:
        return []
    rows = Revision.objects.filter(transcription=row, number__gte=numbers[-1], number__lte=state.revision)
    segments, names, result = list(state.segments), dict(state.names), []
    for revision in rows.select_related("made_by", "api_key").order_by("-number").iterator(AT_ONCE):
        place = slice(revision.first, revision.first + revision.added)
        before, after = [_segment_text(fields) for fields in revision.before], segments[place]
        segments[place] = before
        for index, fields in sorted(revision.changed.items(), key=lambda item: int(item[0])):
            before.append(_segment_text(fields))
            after.append(segments[int(index)])
            segments[int(index)] = before[-1]
        speakers = [*_undo_moves(revision, segments, names), *_undo_names(revision, names)]
        if revision.number <= numbers[0]:
            first = [segments[min(map(int, revision.speakers))]] if revision.speakers else []
            result.append(_change(revision, before or first, after or first, speakers))
    return result


def _undo_moves(revision: Revision, segments: list[SegmentText], names: dict[int, str]) -> list[SpeakerChange]:
    """Gives segments back to their former speakers; returns from whom to whom they had gone."""
    counts = Counter[tuple[int | None, int | None]]()
    for index, former in revision.speakers.items():
        current = segments[int(index)]
        counts[former, current.speaker] += 1
        segments[int(index)] = replace(current, speaker=former)
    return [
        SpeakerChange(_label(former, names), _label(latter, names), count) for (former, latter), count in counts.items()
    ]


def _undo_names(revision: Revision, names: dict[int, str]) -> list[SpeakerChange]:
    """Gives speakers their former names; returns the changes."""
    changed = []
    for key, former in revision.names.items():
        index = int(key)
        latter, names[index] = _label(index, names), former
        changed.append(SpeakerChange(_label(index, names), latter))
    return changed


def _label(speaker: int | None, names: dict[int, str]) -> str:
    return "" if speaker is None else Speaker(index=speaker, name=names.get(speaker, "")).label


def _change(
    revision: Revision, before: list[SegmentText], after: list[SegmentText], speakers: list[SpeakerChange]
) -> Change:
    start = min((segment.start for segment in (*before[:1], *after[:1])), default=0.0)
    words = difference([segment.text for segment in before], [segment.text for segment in after])
    return Change(revision, start, words, speakers)


def _segment_text(fields: SegmentFields) -> SegmentText:
    return SegmentText(fields["start"], fields["end"], fields["text"].strip(), fields.get("speaker"))
