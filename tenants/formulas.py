"""Protects CSV and TSV cells from being read as formulas by spreadsheets."""

from __future__ import annotations

import re

_SIGNS = r"[=+\-@＝＋－＠]"
_SEPARATORS = r"[;,|\t\r\n]"
_RISK = rf"""[\s"']*{_SIGNS}"""
_RISK_AT_THE_BEGINNING = rf"'*[\t\r\n]|{_RISK}"
FORMULA = re.compile(f"^(?={_RISK_AT_THE_BEGINNING})|(?<={_SEPARATORS})(?={_RISK})")
GUARD = re.compile(f"^'(?={_RISK_AT_THE_BEGINNING})|(?<={_SEPARATORS})'(?={_RISK})")
"""What has apostrophes of its own before a sign is guarded as well, so that each guard is known again."""


def escape_formulas(text: str) -> str:
    """Returns a cell of which no part is read as a formula, whatever separator or quotes the spreadsheet assumes."""
    return FORMULA.sub("'", text)


def without_guards(text: str) -> str:
    """Returns what a cell was that `escape_formulas` has guarded."""
    return GUARD.sub("", text)
