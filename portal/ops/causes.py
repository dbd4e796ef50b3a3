"""Says in a sentence or two which stage of a transcription took longest, and why that is likely so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.ops.neighbours import Neighbours, count_by_tenant
from portal.ops.spans import ATTEMPT, FETCH, RETRY, UNFINISHED, Span
from tenants import units
from transcription.models import Attempt, Lane, Stage, Transcription

LONE_WINDOW_SHARE = 0.5
SLOW_DECODING = 20.0
"""Seconds of sound in a second. Below, ffmpeg waits for the disk, the storage or the processor."""


@dataclass(frozen=True)
class Story:
    """A transcription with what happened to it, and what else ran."""

    row: Transcription
    spans: Sequence[Span]
    neighbours: Neighbours

    def of_kind(self, kind: str) -> list[Span]:
        return [span for span in self.spans if span.kind == kind]


def explain(story: Story) -> str:
    """Returns the sentences; empty where nothing has been measured yet."""
    seconds: dict[str, float] = defaultdict(float)
    for span in story.spans:
        if span.kind != ATTEMPT or _is_unmeasured(span):
            seconds[span.kind] += span.seconds
    if not seconds:
        return ""
    longest = max(seconds, key=lambda kind: seconds[kind])
    took = units.precisely(seconds[longest])
    return _CAUSES[longest](story, took, seconds[longest])


def _is_unmeasured(span: Span) -> bool:
    return span.attempt is not None and not span.attempt.stages


def _queue(story: Story, took: str, _seconds: float) -> str:
    [wait] = story.of_kind(Stage.QUEUE)[:1]
    first = _("It waited %(took)s in the lane “%(lane)s”: ") % {"took": took, "lane": Lane(story.row.lane).label}
    before = story.neighbours.claimed(wait.begin, wait.end)
    running = story.neighbours.running_at(wait.begin)
    busy = [*before, *running]
    if not busy:
        return first + _("nothing else ran meanwhile, so no worker was there, or its engine was not ready.")
    own = count_by_tenant(story.neighbours.running_at(wait.begin + (wait.end - wait.begin) / 2))[story.row.tenant_id]
    limit = story.row.tenant.quota.concurrent
    if own >= limit:
        cause = ngettext(
            "its tenant ran %(n)d transcription, as many as its limit allows.",
            "its tenant ran %(n)d transcriptions, as many as its limit allows.",
            own,
        )
        return first + cause % {"n": own}
    tenants = len(count_by_tenant(busy))
    count = len({one.transcription_id for one in busy})
    workers = len({one.slot for one in busy})
    said = [
        ngettext("%(n)d transcription", "%(n)d transcriptions", count) % {"n": count},
        ngettext("%(n)d tenant", "%(n)d tenants", tenants) % {"n": tenants},
        ngettext("%(n)d worker", "%(n)d workers", workers) % {"n": workers},
    ]
    cause = _("%(transcriptions)s of %(tenants)s went before it or ran already, on %(workers)s.")
    return first + cause % dict(zip(("transcriptions", "tenants", "workers"), said, strict=True))


def _retry(story: Story, took: str, _seconds: float) -> str:
    bad = [span for span in story.of_kind(ATTEMPT) if span.attempt and span.is_bad]
    count = len(story.of_kind(RETRY))
    text = ngettext(
        "It waited %(took)s for another attempt, %(n)d time.",
        "It waited %(took)s for another attempt, %(n)d times.",
        count,
    )
    why = " " + _("Before that: %(why)s") % {"why": bad[-1].detail} if bad else ""
    return text % {"took": took, "n": count} + why


def _unmeasured(story: Story, took: str, _seconds: float) -> str:
    attempts = [span.attempt for span in story.of_kind(ATTEMPT) if span.attempt and _is_unmeasured(span)]
    if attempts[-1].outcome == Attempt.Outcome.RUNNING:
        return _("It has been worked on for %(took)s.") % {"took": took}
    lost = [attempt for attempt in attempts if attempt.outcome in UNFINISHED]
    if not lost:
        return _("It was worked on for %(took)s, of which no stages are known.") % {"took": took}
    text = ngettext(
        "%(took)s went into %(n)d attempt that was lost: its worker died or hung, or its machine went away.",
        "%(took)s went into %(n)d attempts that were lost: their workers died or hung, or their machines went away.",
        len(lost),
    )
    return text % {"took": took, "n": len(lost)}


def _receive(story: Story, took: str, seconds: float) -> str:
    speed = units.size(round(story.row.recording.bytes / seconds)) if seconds else "–"
    size = units.size(story.row.recording.bytes)
    return _(
        "Its %(size)s took %(took)s to arrive, %(speed)s a second: the sender’s line, or pauses of the sender."
    ) % {
        "size": size,
        "took": took,
        "speed": speed,
    }


def _fetch(_story: Story, took: str, _seconds: float) -> str:
    return _("It waited %(took)s for its download to begin: other downloads went first, or earlier tries failed.") % {
        "took": took
    }


def _probe(_story: Story, took: str, _seconds: float) -> str:
    return _(
        "Checking the file took %(took)s: other files were checked at the same time, or its form is hard to read."
    ) % {"took": took}


def _store(_story: Story, took: str, _seconds: float) -> str:
    return _("Storing the file took %(took)s: the disk or the object storage was slow.") % {"took": took}


def _load(_story: Story, took: str, _seconds: float) -> str:
    return _("Getting the file from the storage took %(took)s: the object storage, or the way to it, was slow.") % {
        "took": took
    }


def _decode(story: Story, took: str, seconds: float) -> str:
    speed = story.row.recording.duration_seconds / seconds
    text = _("Decoding took %(took)s, %(speed)s× real time") % {"took": took, "speed": f"{speed:.1f}"}
    if speed < SLOW_DECODING:
        return text + _(": the worker’s processor or disk had much else to do.")
    return text + _(": the recording is long.")


def _engine(story: Story, took: str, seconds: float) -> str:
    span = max(story.of_kind(Stage.ENGINE), key=lambda span: span.seconds)
    speed = story.row.recording.duration_seconds / seconds
    text = _("The engine took %(took)s, %(speed)s× real time") % {"took": took, "speed": f"{speed:.1f}"}
    if span.measured and span.measured.runs > 1 and span.measured.longest > LONE_WINDOW_SHARE * seconds:
        longest = units.precisely(span.measured.longest)
        return text + _(
            ": %(longest)s of it for one window, as when a model is loaded or the engine was started again."
        ) % {"longest": longest}
    name = span.attempt.worker.partition("/")[0] if span.attempt else ""
    beside = story.neighbours.beside(span.begin, max(span.end, span.begin + timedelta(seconds=1)), name)
    if not beside:
        return text + _(": nothing else ran on %(engine)s, so this is how fast it is with these options.") % {
            "engine": name
        }
    count, tenants = len({one.transcription_id for one in beside}), len(count_by_tenant(beside))
    shared = ngettext(
        ": it shared %(engine)s with %(n)d other transcription",
        ": it shared %(engine)s with %(n)d other transcriptions",
        count,
    ) % {"engine": name, "n": count}
    return text + shared + ngettext(" of %(n)d tenant.", " of %(n)d tenants.", tenants) % {"n": tenants}


def _speakers(_story: Story, took: str, _seconds: float) -> str:
    return _(
        "Telling speakers apart took %(took)s after the text was there: it runs on the worker’s processor, which long "
        "recordings and other work keep busy."
    ) % {"took": took}


def _copy(_story: Story, took: str, _seconds: float) -> str:
    return _("Making the copy that browsers play took %(took)s: the file is of a kind that they don’t play.") % {
        "took": took
    }


def _save(_story: Story, took: str, _seconds: float) -> str:
    return _("Saving took %(took)s: the database was slow, or away for a while.") % {"took": took}


def _deliver(story: Story, took: str, _seconds: float) -> str:
    last = max(story.of_kind(Stage.DELIVER), key=lambda span: span.seconds)
    return _("The text was there in time; its webhook took %(took)s: the receiver was slow or failed (%(who)s).") % {
        "took": took,
        "who": last.detail,
    }


_CAUSES: dict[str, Callable[[Story, str, float], str]] = {
    Stage.QUEUE: _queue,
    RETRY: _retry,
    ATTEMPT: _unmeasured,
    Stage.RECEIVE: _receive,
    FETCH: _fetch,
    Stage.PROBE: _probe,
    Stage.STORE: _store,
    Stage.LOAD: _load,
    Stage.DECODE: _decode,
    Stage.ENGINE: _engine,
    Stage.SPEAKERS: _speakers,
    Stage.COPY: _copy,
    Stage.SAVE: _save,
    Stage.DELIVER: _deliver,
}
