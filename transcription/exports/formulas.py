"""Cells of tables that spreadsheets open, in CSV and TSV."""

from __future__ import annotations

import re

_SIGNS = r"[=+\-@＝＋－＠]"
FORMULA = re.compile(rf"""^(?=[\t\r\n]|[\s"]*{_SIGNS})|(?<=[;,|\t\r\n])(?=[\s"']*{_SIGNS})""")


def escape_formulas(text: str) -> str:
    """Returns a cell that no spreadsheet takes for a formula, nor any part of it where it believes in another
    separator. A quote that a program takes off hides no sign.
    """
    return FORMULA.sub("'", text)
