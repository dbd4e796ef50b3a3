"""The documentation as a site, which any web server serves and a browser opens from a disk (`make docs`)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
# Where the code is read, as https://git.example.org/portal/blob/main; without it, links to code are its paths alone.
SOURCE = os.environ.get("DOCS_SOURCE_URL", "")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?!\w+:)[^)#\s]+)(#[^)]*)?\)")

project = "Whisper Portal"
author = "Whisper Portal"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_show_sourcelink = False
html_copy_source = False
exclude_patterns = ["samples"]
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 4


def link_code(_app: Sphinx, name: str, content: list[str]) -> None:
    """Turns links to files that are no page of the site into links to SOURCE, or into their text."""

    def replaced(match: re.Match[str]) -> str:
        text, target, _ = match.groups()
        file = (ROOT / "docs" / name).parent.joinpath(target).resolve()
        if file.is_relative_to(ROOT / "docs") and file.suffix == ".md":
            return match.group()
        return f"[{text}]({SOURCE}/{file.relative_to(ROOT).as_posix()})" if SOURCE else text

    content[0] = LINK.sub(replaced, content[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_code)
