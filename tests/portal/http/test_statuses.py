"""Every refusal has its status: one that nobody thought of would be said of a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from portal.http.statuses import STATUS_OF_CODE
from transcription.errors import REASONS_OF_THE_FILE

ROOT = Path(__file__).parents[3]
NO_REQUESTS = ("transcription/inbox", "transcription/rules/applying.py")
"""What comes from folders, buckets and mailboxes: the place says why, nobody is answered."""


def codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("Refused", "ChunkRefused"):
            yield from (str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant))


def test_every_code_that_is_raised_has_one() -> None:
    known = {*STATUS_OF_CODE, *REASONS_OF_THE_FILE}
    raised: dict[str, str] = {}
    for room in ("portal", "tenants", "transcription"):
        for path in (ROOT / room).rglob("*.py"):
            if not path.relative_to(ROOT).as_posix().startswith(NO_REQUESTS):
                raised |= dict.fromkeys(codes_in(path), path.name)
    assert {"too_many_rules", "wrong_offset"} <= set(raised)
    assert {code: path for code, path in raised.items() if code not in known} == {}
