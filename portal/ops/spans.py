"""What happened to one transcription, span by span, from what is stored of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tenants import database_clock, units
from transcription.fetches.models import Fetch
from transcription.models import Attempt, Lane, Stage, Status, Transcription
from transcription.stopwatch import Measured
from transcription.webhooks.failures import reason_for_people
from transcription.webhooks.models import Delivery, EventType

UNFINISHED = (Attempt.Outcome.LOST, Attempt.Outcome.ABANDONED)
ENDS = (EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED)
SHORTEST_REST = 0.05
MOST_TRIES = 20
LONGEST_ERROR = 160

FETCH = "fetch"
RETRY = "retry"
ATTEMPT = "attempt"
"""Kinds of spans beside those of Stage: waiting for a download, waiting after an attempt, a whole attempt."""


@dataclass(frozen=True)
class Span:
    """A part of a transcription's way. `seconds` are those that it took itself, of the time from `begin` to `end`.

    `kind` is a Stage or one of FETCH, RETRY and ATTEMPT; `measured` has the worker's figures of a stage.
    """

    kind: str
    label: str
    begin: datetime
    end: datetime
    seconds: float
    detail: str = ""
    is_bad: bool = False
    is_inner: bool = False
    measured: Measured | None = None
    attempt: Attempt | None = None


def of_transcription(row: Transcription) -> list[Span]:
    """Returns the spans in the order of their beginning, by four queries. `row` has its recording."""
    now = database_clock.now()
    attempts = list(row.attempts.order_by("fence"))
    return [*_intake(row), *_work(row, attempts, now), *_deliveries(row, now)]


def _intake(row: Transcription) -> Iterator[Span]:
    begin = row.created_at - timedelta(seconds=sum(row.intake_seconds.values()))
    fetch = Fetch.objects.filter(id=row.id).first()
    if fetch is not None and fetch.created_at < begin:
        tries = ngettext("%(n)d attempt", "%(n)d attempts", fetch.attempts_made) % {"n": fetch.attempts_made}
        waited = (begin - fetch.created_at).total_seconds()
        yield Span(FETCH, _("Wait for the download"), fetch.created_at, begin, waited, tries)
    for name, seconds in row.intake_seconds.items():
        end = begin + timedelta(seconds=seconds)
        label = _("Download by URL") if fetch and name == Stage.RECEIVE else Stage(name).label
        detail = units.size(row.recording.bytes) if name == Stage.RECEIVE else ""
        yield Span(name, str(label), begin, end, seconds, detail)
        begin = end


def _work(row: Transcription, attempts: list[Attempt], now: datetime) -> Iterator[Span]:
    """Yields each wait and each attempt with its stages."""
    since, lane = row.created_at, str(Lane(row.lane).label)
    for number, attempt in enumerate(attempts, start=1):
        yield _wait(since, attempt.started_at, lane, number - 1)
        yield from _attempt(row, attempt, number, now)
        since = attempt.finished_at or now
    if row.status == Status.QUEUED:
        yield _wait(since, now, lane, len(attempts))
    elif not attempts and row.finished_at and not row.is_reused:
        yield _wait(since, row.finished_at, lane, 0)


def _wait(begin: datetime, end: datetime, lane: str, after: int) -> Span:
    end = max(begin, end)
    label = _("Wait, after attempt %(n)d") % {"n": after} if after else Stage.QUEUE.label
    return Span(
        RETRY if after else Stage.QUEUE,
        str(label),
        begin,
        end,
        (end - begin).total_seconds(),
        _("lane: %(lane)s") % {"lane": lane},
    )


def _attempt(row: Transcription, attempt: Attempt, number: int, now: datetime) -> Iterator[Span]:
    begin = attempt.started_at
    end = max(begin, attempt.finished_at or now)
    words = [str(attempt.get_outcome_display()), attempt.worker.partition("/")[0], attempt.error[:LONGEST_ERROR]]
    if attempt.outcome in UNFINISHED:
        reached, whole = units.precisely(attempt.reached_seconds), units.precisely(row.recording.duration_seconds)
        words.append(_("%(reached)s of %(whole)s of sound were saved") % {"reached": reached, "whole": whole})
    yield Span(
        ATTEMPT,
        _("Attempt %(n)d") % {"n": number},
        begin,
        end,
        (end - begin).total_seconds(),
        " · ".join(word for word in words if word),
        is_bad=attempt.outcome in (*UNFINISHED, Attempt.Outcome.FAILED),
        attempt=attempt,
    )
    last = begin
    for name, figures in attempt.stages.items():
        measured = Measured(*figures[: len(Measured._fields)])
        last = max(last, begin + timedelta(seconds=measured.end))
        yield Span(
            name,
            str(Stage(name).label),
            begin + timedelta(seconds=measured.begin),
            begin + timedelta(seconds=measured.end),
            measured.seconds,
            _detail(name, measured),
            is_inner=True,
            measured=measured,
            attempt=attempt,
        )
    rest = (end - last).total_seconds()
    if attempt.stages and attempt.outcome == Attempt.Outcome.COMPLETED and rest >= SHORTEST_REST:
        yield Span(Stage.SAVE, _("Complete"), last, end, rest, is_inner=True, attempt=attempt)


def _detail(name: str, measured: Measured) -> str:
    if name != Stage.ENGINE:
        return ""
    windows = max(1, measured.runs - 1)  # the last run finds the end
    counted = ngettext("%(n)d window", "%(n)d windows", windows) % {"n": windows}
    return _("%(windows)s, the longest %(longest)s") % {
        "windows": counted,
        "longest": units.precisely(measured.longest),
    }


def _deliveries(row: Transcription, now: datetime) -> Iterator[Span]:
    """Yields the deliveries of the webhook's event of its end, and the tries of those that needed several."""
    of_event = {"event__tenant": row.tenant_id, "event__type__in": ENDS, "event__subject": str(row.id)}
    rows = Delivery.objects.filter(**of_event).select_related("endpoint").prefetch_related("attempts")
    for delivery in rows.order_by("created_at", "id"):
        tries = list(delivery.attempts.all())[:MOST_TRIES]
        end = max(delivery.created_at, delivery.finished_at or now)
        yield Span(
            Stage.DELIVER,
            str(Stage.DELIVER.label),
            delivery.created_at,
            end,
            (end - delivery.created_at).total_seconds(),
            f"{delivery.endpoint.host} · {delivery.get_state_display()}",
            is_bad=delivery.state == Delivery.State.FAILED,
        )
        for number, one in enumerate(tries if len(tries) > 1 else (), start=1):
            ended = one.started_at + timedelta(seconds=one.seconds)
            label, reason = _("Try %(n)d") % {"n": number}, reason_for_people(one.error, one.status)
            yield Span(
                ATTEMPT, label, one.started_at, ended, one.seconds, reason, is_bad=bool(one.error), is_inner=True
            )
