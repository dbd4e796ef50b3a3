"""What CHANGELOG.md says to whoever upgrades."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.conf import settings

HEADING = re.compile(r"^## (?:(?P<version>\d+\.\d+\.\d+)\b|Unreleased)", re.MULTILINE)
MARK = "**When upgrading**"


def notes_since(version: str) -> list[str]:
    """Returns the entries for whoever upgrades from this version, the newest first; "" is from before all of them."""
    file = settings.BASE_DIR / "CHANGELOG.md"
    sections = _sections(file.read_text()) if file.exists() else ()
    newer = (text for of, text in sections if not of or not version or _number(of) > _number(version))
    return [entry.strip() for text in newer for entry in re.split(r"^- ", text, flags=re.MULTILINE) if MARK in entry]


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Yields the version of each section, "" for what is not released, and what stands in it."""
    found = list(HEADING.finditer(text))
    for heading, following in zip(found, [*found[1:], None], strict=True):
        yield heading["version"] or "", text[heading.end() : following.start() if following else len(text)]


def _number(version: str) -> tuple[int, ...]:
    """Returns what comes before a mark of its own, as in 0.2.0rc1."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
