"""What a check of the accounts found, for operators: whose figures they are, and what differs, in their language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants.models import AccountCheck, Tenant

KINDS = (
    (re.compile("used seconds"), _("audio seconds used")),
    (re.compile("reserved seconds"), _("audio seconds held")),
    (
        re.compile(r"seconds held for transcription (?P<work>\S+), which is over"),
        _("audio seconds held for transcription %(work)s, which is over"),
    ),
    (
        re.compile(r"charges of transcription (?P<work>\S+), (?P<status>\w+)"),
        _("charges of transcription %(work)s (%(status)s)"),
    ),
    (re.compile("stored bytes"), _("stored bytes")),
)


@dataclass(frozen=True)
class Finding:
    """One discrepancy. `tenant` is its name, or its id where it is gone."""

    tenant: str
    tenant_id: str
    month: str
    text: str


def told(check: AccountCheck) -> list[Finding]:
    """One query, or none where nothing was found."""
    rows = check.discrepancies
    tenants = Tenant.objects.in_bulk({UUID(row["tenant_id"]) for row in rows}) if rows else {}
    names = {str(key): tenant.name for key, tenant in tenants.items()}
    return [_finding(row, names) for row in rows]


def label(what: str) -> str:
    """A discrepancy's `what`, which logs and mails say in English, in the language of the page."""
    for pattern, words in KINDS:
        match = pattern.fullmatch(what)
        if match:
            return str(words) % match.groupdict()
    return what


def _finding(row: Mapping[str, Any], names: Mapping[str, str]) -> Finding:
    figures = {
        "what": label(row["what"]),
        "expected": number_format(row["expected"], force_grouping=True),
        "found": number_format(row["found"], force_grouping=True),
    }
    tenant_id = row["tenant_id"]
    text = gettext("%(what)s: should be %(expected)s, is %(found)s") % figures
    return Finding(names.get(tenant_id, tenant_id), tenant_id, row["month"] or "", text)
