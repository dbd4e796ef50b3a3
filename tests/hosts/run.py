"""Uploads go on while one thing after the other is killed or cut; then everything accepted is looked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from tests.chaos import expected, recordings
from tests.chaos.callers import Accepted, Callers
from tests.chaos.plan import Plan
from tests.chaos.recordings import Made
from tests.chaos.report import Books, Report
from tests.hosts.faults import Fault
from tests.hosts.installation import WEB, WEBS, Installation
from tests.hosts.pages import Browser
from tests.waiting import until

log = logging.getLogger(__name__)
CALM_SECONDS = 2.0
ANSWER_SECONDS = 30.0
BETWEEN_UPLOADS = 0.7
MOST_WAITING = 6
LENGTHS = (4.0, 9.0, 14.0, 45.0)


@dataclass(frozen=True)
class Span:
    """When a fault began and was over, and when the installation was whole again, in Unix time."""

    name: str
    began: float
    healed: float
    whole: float


class Uploads:
    """Recordings without end, until it is stopped; what is to be heard in each is computed meanwhile."""

    def __init__(self, installation: Installation, seed: int) -> None:
        self._installation = installation
        self._seed = seed
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._texts: dict[str, Future[str]] = {}
        self._pace = threading.Lock()
        self._last = 0.0
        self.callers = Callers(
            installation.url, seed, installation.tenants, self._may_send, installation.tls, ANSWER_SECONDS
        )

    def start(self) -> None:
        self.callers.start(self._recordings())

    def finish(self) -> None:
        """Returns when whatever was begun is accepted. Raises TimeoutError."""
        self._ending.set()
        until(lambda: self.callers.are_done, 120, "the last uploads")

    def reckon(self, made: Made) -> None:
        self._texts[made.file.stem] = self._pool.submit(expected.text_of, made.file)

    def texts(self) -> dict[str, str]:
        return {name: found.result() for name, found in self._texts.items()}

    def _recordings(self) -> Iterator[Made]:
        number = 0
        while not self._ending.is_set():
            seconds = LENGTHS[number % len(LENGTHS)]
            made = recordings.make_of(self._seed, number, self._installation.media, seconds)
            self.reckon(made)
            yield made
            number += 1

    def _may_send(self) -> bool:
        watch = self._installation.watch
        with self._pace:
            may = watch.due + watch.running < MOST_WAITING and time.monotonic() > self._last + BETWEEN_UPLOADS
            if may:
                self._last = time.monotonic()
            return may or self._ending.is_set()


class Run:
    def __init__(self, installation: Installation, seed: int, has_browser: bool = True) -> None:
        self.spans: list[Span] = []
        self._installation = installation
        self._uploads = Uploads(installation, seed)
        self.browser = Browser(installation, seed, self._uploads.reckon) if has_browser else None
        self._seed = seed

    @property
    def callers(self) -> Callers:
        return self._uploads.callers

    def go(self, faults: Sequence[Fault]) -> Report:
        """Raises TimeoutError where the installation doesn't come back."""
        self._uploads.start()
        if self.browser:
            self.browser.start()
        until(lambda: self.callers.accepted, 300, "the first upload")
        began = time.monotonic()
        for fault in faults:
            time.sleep(CALM_SECONDS)
            self._suffer(fault)
        self._uploads.finish()
        if self.browser:
            self.browser.finish()
        accepted = [*self.callers.accepted, *(self.browser.accepted if self.browser else [])]
        until(lambda: self._are_over(accepted), self._patience, "the last texts")
        report = Report(Plan(self._seed, len(accepted), is_short=True))
        report.seconds = time.monotonic() - began
        Books(self._installation.watch, accepted, self._uploads.texts(), report).check()
        addresses = {f"{self._installation.network.address(host)}:{WEB}" for host in WEBS}
        until(lambda: self._installation.scraped() == addresses, 60, "Prometheus to reach both web processes")
        return report

    @property
    def _patience(self) -> float:
        """A lease may have to expire, and connections to be given up."""
        return self._installation.lease + 90.0

    def _suffer(self, fault: Fault) -> None:
        """Until what was accepted before it was over is done, and another one that came afterwards."""
        log.info("%s …", fault.name)
        began = time.time()
        with fault.during(self._installation):
            time.sleep(fault.seconds)
        healed = time.time()
        known = len(self.callers.accepted)
        until(lambda: len(self.callers.accepted) > known, self._patience, f"an upload after {fault.name}")
        before = list(self.callers.accepted)
        until(lambda: self._are_over(before), self._patience, f"texts after {fault.name}")
        until(self._installation.is_ready, self._patience, f"all processes after {fault.name}")
        self.spans.append(Span(fault.name, began, healed, time.time()))
        log.info("%s: whole %.1f s after it was over", fault.name, time.time() - healed)

    def _are_over(self, accepted: Sequence[Accepted]) -> bool:
        try:
            return self._installation.watch.are_over([one.transcription for one in accepted])
        except psycopg.Error:
            return False


def table(run: Run, installation: Installation) -> str:
    """What each fault cost those who uploaded while it lasted."""
    query = """select id::text, extract(epoch from finished_at)::float from transcription_transcription
               where finished_at is not null"""
    finished = dict(installation.watch.rows(query))
    lines = [
        f"{'fault':<26}{'lasts':>7}{'longest upload':>16}{'longest text':>14}{'whole again':>13}{'sent again':>12}"
    ]
    for span in run.spans:
        met = [
            one for one in run.callers.accepted if span.began <= one.moment and one.moment - one.seconds <= span.healed
        ]
        waited = [
            max(0.0, finished[one.transcription] - one.moment)
            for one in run.callers.accepted
            if one.moment <= span.whole and finished[one.transcription] >= span.began
        ]
        again = sum(span.began <= one.ended <= span.whole and one.status != 201 for one in run.callers.tries)
        upload = max((one.seconds for one in met), default=0.0)
        lines.append(
            f"{span.name:<26}{span.healed - span.began:>5.0f} s{upload:>14.1f} s{max(waited, default=0.0):>12.1f} s"
            f"{span.whole - span.healed:>11.1f} s{again:>12}"
        )
    return "\n".join(lines)


def kept(run: Run, report: Report) -> list[str]:
    """The promises that were broken; empty when all is well."""
    found = [f"{count} {name}" for name, count in _zeros(report).items() if count]
    if run.callers.given_up:
        found.append(f"{len(run.callers.given_up)} never accepted")
    if run.browser and (run.browser.problem or not run.browser.accepted):
        found.append(f"the page: {run.browser.problem or 'nothing was uploaded'}")
    return found


def _zeros(report: Report) -> dict[str, int]:
    return {
        "lost": report.lost,
        "doubled": report.duplicated,
        "texts that differ": report.different,
        "charged wrongly": report.misbilled,
    }


def summary(run: Run, report: Report) -> str:
    counted = ", ".join(f"{name} {count}" for name, count in _zeros(report).items())
    attempts = ", ".join(f"{name} {count}" for name, count in sorted(report.attempts.items()))
    lines = [
        f"accepted {report.accepted} in {report.seconds / 60:.1f} min, finished {report.finished}: {counted}",
        f"attempts: {attempts}",
        *([_of_page(run.browser)] if run.browser else []),
        *(f"  note: {note}" for note in report.notes),
    ]
    broken = kept(run, report)
    lines.append("FAILED: " + "; ".join(broken) if broken else "All promises kept.")
    return "\n".join(lines)


def _of_page(browser: Browser) -> str:
    slowest = max((one.seconds for one in browser.accepted), default=0.0)
    return (
        f"of them on one page, never loaded again, {len(browser.accepted)}: "
        f"longest upload {slowest:.1f} s, longest until the text was shown {browser.slowest_text:.1f} s"
    )
