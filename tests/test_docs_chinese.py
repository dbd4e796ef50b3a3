"""The guide in Chinese says what the Chinese pages say, and is found from the documentation's first page."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.test_docs import ROOT, links

GUIDE = ROOT / "docs" / "zh"
PAGES = sorted(GUIDE.glob("*.md"))
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
TOCTREE = re.compile(r"^```\{toctree\}$(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"%\\?\(\w+\\?\)[sd]")


@cache
def shown() -> re.Pattern[str]:
    """Whatever the Chinese pages may show, with a number in place of what they fill in."""
    with CATALOGUE.open("rb") as file:
        texts = [message.string for message in read_po(file) if message.id and message.string]
    lines = {text for one in texts for text in ((one,) if isinstance(one, str) else one) if text}
    return re.compile("|".join(PLACEHOLDER.sub("[0-9]+", re.escape(line)) for line in lines))


def inline(page: Path) -> list[Token]:
    """The pieces of a page's paragraphs, table cells and list items, in their order."""
    blocks = MarkdownIt().enable("table").parse(page.read_text())
    return [piece for block in blocks for piece in block.children or ()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_bold_in_the_guide_is_what_the_pages_call_it(page: Path) -> None:
    pieces = inline(page)
    labels = [after.content for piece, after in pairwise(pieces) if piece.type == "strong_open"]
    unknown = [label for label in labels if not shown().fullmatch(label)]
    assert labels
    assert not unknown
    assert not [piece.content for piece in pieces if piece.type == "text" and "**" in piece.content]


def test_every_page_of_the_guide_is_linked_and_leads_to_the_english_reference() -> None:
    first = (GUIDE / "index.md").read_text()
    assert "zh/index" in (ROOT / "docs" / "index.md").read_text()
    listed = {name for tree in TOCTREE.findall(first) for name in tree.split() if not name.startswith(":")}
    others = [page for page in PAGES if page.name != "index.md"]
    assert listed == {page.stem for page in others}
    assert {target.resolve() for _text, target in links(GUIDE / "index.md")} >= {page.resolve() for page in others}
    for page in others:
        assert any(target.resolve().parent == ROOT / "docs" for _text, target in links(page)), page.name
