"""manage.py bundle: one file for a machine without a network, on a small installation of one small package."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from portal.management.commands import bundle
from tests.stack import ROOT

pytestmark = pytest.mark.weights
WHEEL = "small-1.0-py3-none-any.whl"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    info = "small-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("small.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def checkout(tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a few files of each kind, and with what is nobody else's."""
    folder = tmp_path / "checkout"
    for name in bundle.CODE:
        source = ROOT / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            (folder / name / "__pycache__").mkdir(parents=True)
            (folder / name / "__pycache__" / "old.pyc").touch()
        else:
            shutil.copy(source, folder / name)
    (folder / "var").mkdir()
    (folder / "var" / "secret_key").write_text("secret")
    digest = hashlib.sha256((registry / WHEEL).read_bytes()).hexdigest()
    (folder / "requirements" / "base.txt").write_text(f"small==1.0 --hash=sha256:{digest}\n")
    (folder / "requirements" / "openvino.txt").touch()
    monkeypatch.setattr(settings, "BASE_DIR", folder)
    return folder


def test_it_holds_code_packages_and_weights_and_nothing_of_the_data(checkout: Path, tmp_path: Path) -> None:
    call_command("bundle", tmp_path / "portal.tar", "--model", "base")
    with tarfile.open(tmp_path / "portal.tar") as tar:
        names = {name.removeprefix("whisper-portal/") for name in tar.getnames()}
        tar.extractall(tmp_path / "there", filter="data")
    assert {"Makefile", f"wheels/{WHEEL}", "var/models/ctranslate2/base/model.bin"} <= names
    assert any(name.startswith("var/models/diarization/") for name in names)
    assert not any("__pycache__" in name or "secret" in name for name in names)
    there = tmp_path / "there" / "whisper-portal"
    assert (there / bundle.PYTHON).read_text().strip() == bundle.this_python()


def test_make_refuses_packages_for_another_python_in_words(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / "wheels").mkdir()
    (tmp_path / bundle.PYTHON).write_text("cpython-399-linux-riscv64\n")
    made = subprocess.run(["make", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode
    assert "The packages in wheels/ are for cpython-399-linux-riscv64" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_cannot_be_had_leaves_nothing_behind(checkout: Path, registry: Path, tmp_path: Path) -> None:
    (registry / WHEEL).unlink()
    with pytest.raises(CommandError, match="can't be had"):
        call_command("bundle", tmp_path / "portal.tar", "--model", "base")
    assert not list(tmp_path.glob("portal.tar*"))
