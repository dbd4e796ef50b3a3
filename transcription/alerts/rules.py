"""The alerts that there are. Names, bounds, durations and severities are those of docker/prometheus/alerts.yml."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import units

OPERATORS: dict[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt, "==": operator.eq}
Words = Callable[[float], str]


def runbook() -> str:
    """Returns where each alert is explained: an address, where DOCS_URL says so, else the file."""
    if settings.DOCS_URL:
        return f"{settings.DOCS_URL}/operations.html#what-the-alerts-mean"
    return "docs/operations.md#what-the-alerts-mean"


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"


def _number(value: float) -> str:
    return number_format(value, 0)


def _percent(value: float) -> str:
    return f"{number_format(value * 100, 1)} %"


@dataclass(frozen=True)
class Rule:
    """`bound` is what breaks it, as Prometheus writes it, and `hold` how long that lasts before it fires.

    A value of None breaks each rule: what should have been never was.
    """

    name: str
    severity: Severity
    bound: str
    hold: timedelta
    summary: Promise
    words: Words = _number

    def is_broken_by(self, value: float | None) -> bool:
        sign, _space, bound = self.bound.partition(" ")
        return value is None or OPERATORS[sign](value, float(bound))

    @property
    def example(self) -> str:
        """Says in the active language what the alert is about, at its bound."""
        return self.text("…", float(self.bound.partition(" ")[2]))

    def text(self, subject: str, value: float | None) -> str:
        """Says in the active language what is amiss."""
        return str(self.summary) % {
            "subject": subject,
            "value": gettext("never") if value is None else self.words(value),
        }


def _rule(name: str, severity: Severity, bound: str, minutes: float, summary: Promise, words: Words = _number) -> Rule:
    return Rule(name, severity, bound, timedelta(minutes=minutes), summary, words)


_bad, _warn = Severity.CRITICAL, Severity.WARNING
RULES = {
    rule.name: rule
    for rule in (
        _rule("PortalDown", _bad, "== 0", 1, _("No web process reports.")),
        _rule("NoEngine", _bad, "== 0", 1, _("No gpuworker runs: nothing is being transcribed.")),
        _rule("EngineNotReady", _bad, "== 0", 20, _("%(subject)s has not been ready for 20 minutes.")),
        _rule("GpuMemoryHigh", _warn, "> 0.9", 10, _("%(subject)s uses %(value)s of its GPU’s memory."), _percent),
        _rule(
            *("SlowResponses", _warn, "> 1", 2),
            _("One request in twenty takes %(value)s or more to be answered."),
            units.precisely,
        ),
        _rule(
            *("RequestsFail", _warn, "> 0.01", 5),
            _("%(value)s of the requests end with a failure of the portal’s."),
            _percent,
        ),
        _rule(
            *("LiveTextBehind", _warn, "> 10", 10),
            _("Live text is %(value)s or more behind after every other pass."),
            units.precisely,
        ),
        _rule("QueueOld", _warn, "> 900", 2, _("The first in the queue has waited %(value)s."), units.precisely),
        _rule("WorkersMissing", _bad, "== 0", 1, _("%(subject)s has no worker.")),
        _rule("ManyFailures", _warn, "> 5", 0, _("%(value)s transcriptions failed in 15 minutes.")),
        _rule("SweeperMissing", _bad, "== 0", 1, _("No sweeper runs: webhooks, downloads by URL and repairs wait.")),
        _rule(
            *("SweeperBehind", _warn, "> 300", 5),
            _("The sweeper’s round “%(subject)s” is %(value)s late."),
            units.precisely,
        ),
        _rule(
            *("AlertsUnevaluated", _bad, "> 120", 1),
            _("Alerts were last evaluated %(value)s ago: others may be missing."),
            units.precisely,
        ),
        _rule("WebhooksLate", _warn, "> 3600", 10, _("Webhooks are sent %(value)s late."), units.precisely),
        _rule("WebhooksFailing", _warn, "> 0", 60, _("%(value)s webhooks of tenants fail.")),
        _rule(
            *("WebhookCertificate", _warn, "> 0", 10),
            _("%(value)s webhooks of tenants fail for their certificate."),
        ),
        _rule(
            *("DiskNearlyFull", _bad, "< 2147483648", 1),
            _("%(value)s are free at %(subject)s: uploads are refused when it is full."),
            units.size,  # type: ignore[arg-type]
        ),
        _rule("AccountsDisagree", _bad, "> 0", 0, _("%(value)s figures of the accounts disagree.")),
        _rule(
            *("AccountsUnchecked", _warn, "> 129600", 120),
            _("The accounts were not compared for more than a day (last: %(value)s ago)."),
            units.precisely,
        ),
        _rule("BackupOld", _warn, "> 129600", 10, _("The last backup is %(value)s old."), units.precisely),
        _rule("RedisDown", _warn, "== 0", 1, _("Redis does not answer: work is picked up late, pages are not told.")),
    )
}
