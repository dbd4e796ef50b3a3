"""The page of one transcription's way: why it took as long as it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from portal import charts
from portal.ops import causes, neighbours, spans
from portal.ops.causes import Story
from portal.ops.neighbours import Neighbours
from portal.ops.spans import Span
from transcription.models import Engine, Transcription


@dataclass(frozen=True)
class Line:
    """A span with its bar."""

    span: Span
    offset: float
    bar: charts.Interval


@dataclass(frozen=True)
class Waterfall:
    """A transcription's spans as lines of a chart, what else ran, and the sentence that explains it."""

    row: Transcription
    lines: list[Line]
    begin: datetime
    end: datetime
    neighbours: Neighbours
    chart: charts.Chart
    engines: list[Engine]
    explanation: str

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


def read(transcription_id: UUID) -> Waterfall:
    """Reads a waterfall by nine queries. Raises Http404."""
    rows = Transcription.objects.select_related("recording", "tenant__quota").defer("text", "recording__peaks")
    row = rows.filter(id=transcription_id).first()
    if row is None:
        raise Http404(_("There is no such transcription."))
    found = spans.of_transcription(row)
    begin = min((span.begin for span in found), default=row.created_at)
    end = max((span.end for span in found), default=row.created_at)
    beside = neighbours.of_transcription(row, begin, end)
    whole = max((end - begin).total_seconds(), 0.001)
    names = {span.attempt.worker.partition("/")[0] for span in found if span.attempt}
    return Waterfall(
        row=row,
        lines=[_line(span, begin, whole) for span in found],
        begin=begin,
        end=end,
        neighbours=beside,
        chart=charts.bars(beside.steps),
        engines=list(Engine.objects.filter(name__in=names)),
        explanation=causes.explain(Story(row, found, beside)),
    )


def _line(span: Span, begin: datetime, whole: float) -> Line:
    offset = (span.begin - begin).total_seconds()
    length = (span.end - span.begin).total_seconds()
    return Line(span, offset, charts.interval(offset / whole, length / whole, span.seconds / whole))
