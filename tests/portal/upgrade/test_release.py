"""`make release`: one number everywhere, in a commit with a tag."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from portal import __version__
from tests.stack import ROOT

BEFORE = r'^__version__ = "|^version = "|^version: |whisper-portal-(?:web|gpu):|newTag: "|image\.version="'
NUMBER = re.compile(rf"(?:{BEFORE})(\d+\.\d+\.\d+)", re.MULTILINE)
FILES = ["portal/__init__.py", "pyproject.toml", "CITATION.cff", "docs/operations.md", "docker/Dockerfile"]
FILES += [f"docker/compose{kind}.yaml" for kind in ("", ".gpu", ".s3", ".monitoring")]
FILES += ["docker/kubernetes/kustomization.yaml"]


def numbers(folder: Path) -> dict[str, set[str]]:
    """Returns the versions that each file names."""
    return {name: set(NUMBER.findall((folder / name).read_text())) for name in FILES if "monitoring" not in name}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Alice", "-c", "user.email=alice@example.com", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*FILES, ".ci/release", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n\n- Something.\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "Alice")
    git(tmp_path, "config", "user.email", "alice@example.com")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Something")
    return tmp_path


def release(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TESTED": git(folder, "rev-parse", "HEAD")}
    command = ["bash", ".ci/release", version]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_number_is_that_of_the_code() -> None:
    assert numbers(ROOT) == {name: {__version__} for name in numbers(ROOT)}


def test_the_number_goes_everywhere_into_a_commit_with_a_tag(checkout: Path) -> None:
    done = release(checkout, "3.0.0")
    assert done.returncode == 0, done.stderr
    assert numbers(checkout) == {name: {"3.0.0"} for name in numbers(ROOT)}
    assert re.search(
        r"## Unreleased\n\n## 3\.0\.0 \(\d{4}-\d\d-\d\d\)\n\n- Something", git(checkout, "show", "HEAD:CHANGELOG.md")
    )
    assert git(checkout, "describe", "--exact-match") == "v3.0.0"
    assert not git(checkout, "status", "--porcelain")
    assert "nothing under Unreleased" in release(checkout, "3.0.1").stderr


def test_it_is_refused_in_words(checkout: Path) -> None:
    assert "make release VERSION=" in release(checkout, "next").stderr
    assert "0.0.1 is before" in release(checkout, "0.0.1").stderr
    (checkout / "CHANGELOG.md").write_text("# Mine\n")
    assert "not committed" in release(checkout, "3.0.0").stderr
    assert not git(checkout, "tag")
