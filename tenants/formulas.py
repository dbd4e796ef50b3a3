"""Protects CSV and TSV cells from being read as formulas by spreadsheets."""

from __future__ import annotations

import re

_SIGNS = r"[=+\-@＝＋－＠]"
FORMULA = re.compile(rf"""^(?=[\t\r\n]|[\s"]*{_SIGNS})|(?<=[;,|\t\r\n])(?=[\s"']*{_SIGNS})""")
GUARD = re.compile(rf"""^'(?=[\t\r\n]|[\s"]*{_SIGNS})""")


def escape_formulas(text: str) -> str:
    """Returns a cell of which no part is read as a formula, whatever separator or quotes the spreadsheet assumes."""
    return FORMULA.sub("'", text)


def without_guard(text: str) -> str:
    """Returns what a cell was that `escape_formulas` has guarded at its beginning."""
    return GUARD.sub("", text)
