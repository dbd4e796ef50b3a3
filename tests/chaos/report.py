"""What a run proved: read from the database when everything is over, and printed as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.callers import Accepted, Callers
from tests.chaos.kill_scheduler import Kill, KillScheduler
from tests.chaos.plan import Plan
from tests.chaos.watch import Watch

RECOVERY_LIMIT = 75.0
PICKUP_LIMIT = 10.0


@dataclass
class Report:
    """Zeros, maxima, and the facts behind each that is none."""

    plan: Plan
    seconds: float = 0.0
    accepted: int = 0
    finished: int = 0
    lost: int = 0
    duplicated: int = 0
    different: int = 0
    misbilled: int = 0
    unpoisoned: int = 0
    refused_in_outage: int = 0
    slowest_notice: float = 0.0
    slowest_recovery: float = 0.0
    slowest_recovery_after: str = ""
    pickup: float = 0.0
    claimed_in_outage: int = 0
    sent_in_outage: int = 0
    slowest_answer_in_outage: float = 0.0
    slowest_acceptance: float = 0.0
    asked_again: int = 0
    idle: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What was promised and not kept; empty when all is well."""
        zeros = {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "different texts": self.different,
            "billed wrongly": self.misbilled,
            "poison not refused": self.unpoisoned,
            "uploads refused while Redis was away": self.refused_in_outage,
        }
        found = [f"{count} {name}" for name, count in zeros.items() if count]
        missing = self.plan.transcriptions + len(self.plan.poisons) - self.accepted
        if missing > 0:
            found.append(f"{missing} were never accepted")
        if not self.sent_in_outage:
            found.append("nothing was sent while Redis was away")
        if not self.plan.is_short and not self.claimed_in_outage:
            found.append("nothing was claimed while Redis was away")
        if self.slowest_recovery > RECOVERY_LIMIT:
            found.append(f"a recovery took {self.slowest_recovery:.1f} s")
        if self.pickup > PICKUP_LIMIT:
            found.append(f"the first pickup after Redis' return took {self.pickup:.1f} s")
        if self.kills.total() < self.plan.fewest_kills:
            found.append(f"only {self.kills.total()} of {self.plan.kills} kills were carried out")
        return found

    def table(self) -> str:
        plan = self.plan
        rows = [
            ("seed", plan.seed),
            ("minutes", f"{self.seconds / 60:.1f}"),
            ("accepted", self.accepted),
            ("finished", self.finished),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("texts that differ", self.different),
            ("billed wrongly", self.misbilled),
            ("poison not ended after three attempts, or charged", self.unpoisoned),
            ("kills", self.kills.total()),
            ("… by process", _listed({name: n for name, n in self.kills.items() if "." not in name})),
            ("… by point", _listed({name: n for name, n in self.kills.items() if "." in name})),
            ("… asked for, with nobody there", _listed(Counter(self.missed))),
            ("other troubles", _listed(Counter(self.troubles))),
            ("attempts", _listed(self.attempts)),
            ("slowest notice of a dead attempt", f"{self.slowest_notice:.1f} s"),
            ("slowest recovery", f"{self.slowest_recovery:.1f} s, after {self.slowest_recovery_after or 'nothing'}"),
            ("Redis away", f"{plan.outage:g} s, and emptied once"),
            ("… uploads sent, refused", f"{self.sent_in_outage}, {self.refused_in_outage}"),
            ("… slowest acceptance", f"{self.slowest_answer_in_outage:.2f} s"),
            ("… claimed meanwhile", self.claimed_in_outage),
            ("… first claim after its return", f"{self.pickup:.1f} s"),
            ("slowest acceptance of all, retries included", f"{self.slowest_acceptance:.1f} s"),
            ("requests without a clear answer, sent again", self.asked_again),
            ("nothing waiting and nothing running", f"{100 * self.idle:.0f} % of the time"),
        ]
        width = max(len(name) for name, _value in rows)
        lines = [f"{name:<{width}}  {value}" for name, value in rows]
        lines += [f"  note: {note}" for note in self.notes]
        lines.append("FAILED: " + "; ".join(self.faults) if self.faults else "All promises kept.")
        lines.append(f"Once more: {plan.again()}")
        return "\n".join(lines)


class Books:
    """What was accepted, what the database has of it, and what it was charged."""

    def __init__(self, watch: Watch, accepted: Sequence[Accepted], expected: dict[str, str], report: Report) -> None:
        self.report = report
        self._watch = watch
        self._accepted = accepted
        self._expected = expected

    def check(self, calm: Sequence[Accepted] = ()) -> None:
        """`calm` are further ones, whose texts are compared, too."""
        self._count()
        self._compare_texts([*calm, *self._good])
        self._check_accounts()

    @property
    def _good(self) -> list[Accepted]:
        return [one for one in self._accepted if not one.made.poison]

    def _count(self) -> None:
        report, tenants = self.report, sorted({one.tenant for one in self._accepted})
        rows = self.rows("id, status, error_code, attempts_made, error_message")
        report.accepted = len(self._accepted)
        promised = {one.transcription for one in self._good}
        report.finished = sum(rows[one][1] == "completed" for one in promised if one in rows)
        report.lost = len(self._good) - report.finished
        for one in self._good:
            row = rows.get(one.transcription)
            if row is None or row[1] != "completed":
                report.notes.append(f"{one.made.file.name} is {row[1:] if row else 'gone'} ({one.transcription})")
        query = """select r.name, t.id::text from transcription_transcription t
                   join transcription_recording r on r.id = t.recording_id where t.tenant_id::text = any(%s)"""
        known = {one.transcription for one in self._accepted}
        more = [
            f"{name} ({row}) is there, and nobody was promised it"
            for name, row in self._watch.rows(query, tenants)
            if row not in known
        ]
        report.notes += more
        report.duplicated = len(more) + self._repeated_segments()
        attempts = self._watch.rows("select outcome, count(*) from transcription_attempt group by outcome")
        report.attempts = dict(attempts)

    def _repeated_segments(self) -> int:
        query = """select coalesce(sum(n - 1), 0) from (select count(*) n from transcription_segment
                   group by transcription_id, start, "end", text) repeated"""
        return int(self._watch.rows(query)[0][0])

    def _compare_texts(self, sent: Sequence[Accepted]) -> None:
        query = "select id::text, text from transcription_transcription where status = 'completed'"
        texts = dict(self._watch.rows(query))
        joined = dict(
            self._watch.rows(
                """select transcription_id::text, string_agg(text, '' order by index)
                   from transcription_segment group by transcription_id"""
            )
        )
        for one in sent:
            wanted = self._expected[one.made.file.stem]
            if one.transcription not in texts:
                continue
            found = (texts[one.transcription], joined.get(one.transcription, "").strip())
            if found != (wanted, wanted):
                self.report.different += 1
                self.report.notes.append(f"the text of {one.made.file.name} differs ({one.transcription})")

    def _check_accounts(self) -> None:
        """One ledger row for each completed transcription, of its seconds; none for others; balances that add up."""
        ledger: dict[str, list[int]] = {}
        for name, seconds in self._watch.rows("select transcription_id::text, seconds from tenants_ledgerentry"):
            ledger.setdefault(name, []).append(seconds)
        rows = self.rows("id, status")
        for one in self._accepted:
            completed = rows.get(one.transcription, ("", ""))[1] == "completed"
            wanted = [math.ceil(round(one.made.seconds, 3))] if completed else []
            if ledger.get(one.transcription, []) != wanted:
                self._misbilled(f"{one.made.file.name} is charged {ledger.get(one.transcription)}, not {wanted}")
        balances = """select u.tenant_id::text, u.used_seconds, u.reserved_seconds, coalesce(sum(l.seconds), 0)
                      from tenants_usagemonth u left join tenants_ledgerentry l on l.month_id = u.id
                      group by u.id"""
        for tenant, used, reserved, charged in self._watch.rows(balances):
            if reserved or used != charged:
                self._misbilled(f"tenant {tenant} used {used}, has reserved {reserved}, and was charged {charged}")

    def _misbilled(self, note: str) -> None:
        self.report.misbilled += 1
        self.report.notes.append(note)

    def rows(self, columns: str) -> dict[str, tuple[Any, ...]]:
        """Every accepted transcription's columns, the first of which is its id."""
        ids = [one.transcription for one in self._accepted]
        columns = columns.replace("id,", "id::text,", 1)
        query = f"select {columns} from transcription_transcription where id::text = any(%s)"
        return {row[0]: row for row in self._watch.rows(query, ids)}


class Checker:
    """Compares what was accepted with what the database has."""

    def __init__(
        self, watch: Watch, url: str, plan: Plan, callers: Callers, scheduler: KillScheduler, expected: dict[str, str]
    ) -> None:
        self._books = Books(watch, callers.accepted, expected, Report(plan))
        self.report = self._books.report
        self._watch = watch
        self._url = url
        self._accepted = callers.accepted
        self._tries = callers.tries
        self._scheduler = scheduler

    def check(self, calm: Sequence[Accepted], seconds: float) -> Report:
        """`calm` are those that were sent undisturbed, `seconds` is how long the others took."""
        self.report.seconds = seconds
        self._books.check(calm)
        self._check_poison()
        self._time_recoveries()
        self._look_at_outage()
        report, scheduler = self.report, self._scheduler
        report.kills = Counter(kill.name for kill in scheduler.kills)
        report.missed, report.troubles = scheduler.missed, scheduler.troubles
        return report

    def _check_poison(self) -> None:
        """Failed after three attempts, for a reason that a person can read."""
        rows = self._books.rows("id, status, attempts_made, error_code")
        for one in self._accepted:
            if not one.made.poison:
                continue
            _id, status, attempts, code = rows.get(one.transcription, ("", "lost", 0, ""))
            if (status, attempts) != ("failed", 3) or "Nothing was charged" not in self._reason(one):
                self.report.unpoisoned += 1
                self.report.notes.append(f"poison {one.made.poison} is {status} after {attempts}: {code}")

    def _reason(self, one: Accepted) -> str:
        """What the API says of a failure."""
        headers = {"Authorization": f"Bearer {one.key}"}
        answer = httpx.get(f"{self._url}/api/v1/recordings/{one.recording}", headers=headers, timeout=30)
        return str((answer.json()["transcription"]["error"] or {}).get("message", ""))

    def _time_recoveries(self) -> None:
        """From a kill until the attempt it took was seen to be over, and until the next one began (or the end)."""
        claims = """select transcription_id::text, fence, extract(epoch from started_at)::float,
                           extract(epoch from finished_at)::float from transcription_attempt"""
        begun: dict[str, list[tuple[int, float]]] = {}
        over: dict[tuple[str, int], float] = {}
        for name, fence, start, end in self._watch.rows(claims):
            begun.setdefault(name, []).append((fence, start))
            over[name, fence] = end or math.inf
        ends = {row[0]: row[1] for row in self._books.rows("id, extract(epoch from finished_at)::float").values()}
        for kill in (*self._scheduler.kills, *self._scheduler.freezes):
            for name, fence in kill.victims:
                claimed = [moment for number, moment in begun.get(name, []) if number > fence]
                ended = [ends[name]] if ends.get(name) else []
                self._note_recovery(kill, name, min([*claimed, *ended], default=math.inf) - kill.moment)
                notice = over.get((name, fence), math.inf) - kill.moment
                self.report.slowest_notice = max(self.report.slowest_notice, notice)

    def _note_recovery(self, kill: Kill, transcription: str, seconds: float) -> None:
        if seconds > self.report.slowest_recovery:
            self.report.slowest_recovery = seconds
            self.report.slowest_recovery_after = f"{kill.name} ({transcription})"

    def _look_at_outage(self) -> None:
        report, outage = self.report, self._scheduler.outage
        meanwhile = [one for one in self._tries if outage.began < one.began < outage.ended]
        report.sent_in_outage = len(meanwhile)
        refused = [one for one in meanwhile if one.status != 201]
        report.refused_in_outage = len(refused)
        report.notes += [f"refused while Redis was away: {one.status} {one.detail}" for one in refused]
        report.slowest_answer_in_outage = max((one.ended - one.began for one in meanwhile), default=0.0)
        report.asked_again = len(self._tries) - len(self._accepted)
        report.idle = self._watch.idle_looks / max(1, self._watch.looks)
        report.slowest_acceptance = max((one.seconds for one in self._accepted), default=0.0)
        moments = sorted(
            row[0]
            for row in self._watch.rows("select extract(epoch from started_at)::float from transcription_attempt")
        )
        report.claimed_in_outage = sum(outage.began + 1 < moment < outage.ended for moment in moments)
        later = [moment for moment in moments if moment >= outage.ended]
        if outage.waiting:
            report.pickup = later[0] - outage.ended if later else math.inf


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
