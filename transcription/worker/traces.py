"""Sends an attempt with its stages, and what came before it, to an OpenTelemetry collector."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from transcription import tracing
from transcription.models import Attempt, Stage, Transcription
from transcription.queue.claims import Claim
from transcription.stopwatch import Measured
from transcription.tracing import Span

log = logging.getLogger(__name__)
FAILED = {Attempt.Outcome.FAILED, Attempt.Outcome.LOST, Attempt.Outcome.ABANDONED}


def send(claim: Claim) -> None:
    """Sends what is stored of the claim's attempt; never fails the job, whose work is done."""
    if not tracing.is_on() or tracing.is_away():
        return
    try:
        row = Transcription.objects.defer("text", "prompt").get(id=claim.id)
        attempts = list(row.attempts.filter(fence__lte=claim.fence).order_by("fence"))
        tracing.send(claim.request_id, *_before(row, attempts), _attempt(row, attempts[-1]))
        tracing.flush()
    except Exception as error:
        log.warning("Spans of transcription %s were not sent (%s).", claim.id, type(error).__name__)


def _before(row: Transcription, attempts: list[Attempt]) -> Iterator[Span]:
    """Yields the stages of intake before the first attempt, and the wait before this one."""
    queued = row.created_at.timestamp()
    if len(attempts) == 1:
        begin = queued - sum(row.intake_seconds.values())
        for stage, seconds in row.intake_seconds.items():
            yield Span(stage, begin, begin + seconds)
            begin += seconds
    elif before := attempts[-2].finished_at:
        queued = before.timestamp()
    yield Span(Stage.QUEUE, queued, max(queued, attempts[-1].started_at.timestamp()), {"lane": row.lane})


def _attempt(row: Transcription, attempt: Attempt) -> Span:
    begin = attempt.started_at.timestamp()
    stages = {name: Measured(*figures[: len(Measured._fields)]) for name, figures in attempt.stages.items()}
    end = attempt.finished_at.timestamp() if attempt.finished_at else begin
    return Span(
        "attempt",
        begin,
        max(begin, end),
        {
            "transcription": str(row.id),
            "tenant": str(row.tenant_id),
            "model": row.model,
            "worker": attempt.worker,
            "outcome": attempt.outcome,
        },
        error=attempt.outcome if attempt.outcome in FAILED else "",
        inner=tuple(
            Span(name, begin + one.begin, begin + one.end, {"seconds": one.seconds, "runs": one.runs})
            for name, one in stages.items()
        ),
    )
