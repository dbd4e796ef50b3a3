"""The documentation names what there is: files, and functions and classes in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAME = re.compile(r"`([A-Za-z_]\w*)`")
PATH = re.compile(r"`((?:portal|transcription|tenants|tests|benchmarks|static|templates)/[\w./-]*)`")


def links(page: Path) -> list[tuple[str, Path]]:
    found = LINK.findall(page.read_text())
    return [(text, page.parent / target) for text, target in found if "://" not in target]


def names_in(module: Path) -> set[str]:
    """What a module defines: functions, methods, classes, and names at its top."""
    tree = ast.parse(module.read_text())
    defined = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    defined |= {node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return defined | {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_every_name_in_it_to_its_definition(page: Path) -> None:
    for text, target in links(page):
        assert target.exists(), f"{page.name}: {target}"
        if target.suffix == ".py":
            missing = set(NAME.findall(text)) - names_in(target)
            assert not missing, f"{page.name}: {missing} in {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    missing = [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()]
    assert not missing
