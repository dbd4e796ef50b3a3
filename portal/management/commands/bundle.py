"""Packs all that an installation needs into one file, for a machine without a network."""

from __future__ import annotations

import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcription.diarization import weights as diarization
from transcription.engine.weights import place_of
from transcription.options import offered_models

CODE = ["Makefile", "README.md", "CHANGELOG.md", "LICENSE", "manage.py", "pyproject.toml", "requirements", "locale"]
CODE += ["docs", "docker", "portal", "transcription", "tenants", "templates", "static"]
FOLDER = "whisper-portal"
PYTHON = "wheels/PYTHON"
"""Says what the wheels are for, as `make` asks it of the other machine's Python."""
FOR_A_CPU = ("base", "openvino")
FOR_A_GPU = ("base", "ctranslate2-cuda")


class Command(BaseCommand):
    help = (
        "Packs the code, the Python packages and the weights into one file. On a machine of the same kind without a "
        "network, unpack it, and `make run` there."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="as in portal.tar")
        parser.add_argument("--gpu", action="store_true", help="with torch and CUDA, for machines with an NVIDIA GPU")
        parser.add_argument("--model", action="append", metavar="NAME", help="default: the models offered here")

    def handle(self, *args: Any, file: Path, gpu: bool, **options: Any) -> None:
        if missing := [name for name in CODE if not (settings.BASE_DIR / name).exists()]:
            raise CommandError(f"Bundles are made of a whole checkout; here is no {', '.join(missing)}.")
        models = options["model"] or list(offered_models.offered_models())
        part = file.with_name(f"{file.name}.part")
        with tempfile.TemporaryDirectory(dir=file.parent if file.parent.is_dir() else None) as made:
            wheels = Path(made)
            self._download(wheels, gpu)
            form = "torch" if gpu else "ctranslate2"
            call_command("model", "fetch", *models, diarization.NAME, "--form", form, stdout=self.stdout)
            self.stderr.write("Packing …")
            try:
                with tarfile.open(part, "w") as tar:
                    for name, source in _contents(wheels, models, form):
                        tar.add(source, f"{FOLDER}/{name}", filter=_plain)
                part.replace(file)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise CommandError(f"{file} can't be written: {error.strerror or error}.") from None
        self.stdout.write(
            f"{file}: {file.stat().st_size / 1e6:.0f} MB, for {this_python()}. "
            f"On the other machine: tar xf {file.name} && cd {FOLDER} && make run"
        )

    def _download(self, wheels: Path, gpu: bool) -> None:
        """Raises CommandError where a package can't be had."""
        lists = [argument for name in (FOR_A_GPU if gpu else FOR_A_CPU) for argument in ("-r", f"{name}.txt")]
        self.stderr.write("Downloading packages …")
        _pip(wheels, ["--no-deps", "--require-hashes", *lists])
        if gpu:
            _pip(wheels, ["-r", "torch.txt"])
        (wheels / Path(PYTHON).name).write_text(f"{this_python()}\n")


def this_python() -> str:
    return f"{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}"


def _pip(wheels: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    done = subprocess.run([*command, "--dest", wheels, *arguments], cwd=settings.BASE_DIR / "requirements", check=False)
    if done.returncode:
        raise CommandError("The packages can't be had; pip says why above.")


def _contents(wheels: Path, models: list[str], form: Any) -> Iterator[tuple[str, Path]]:
    """Yields what is packed: its name in the file, and where it is."""
    yield from ((name, settings.BASE_DIR / name) for name in CODE)
    yield "wheels", wheels
    weights = Path(settings.WHISPER_WEIGHTS)
    for place in (*(place_of(model, form, weights) for model in models), weights / diarization.NAME):
        yield f"var/models/{place.relative_to(weights)}", place


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leaves out what Python compiled, and whose the files are here."""
    if "__pycache__" in entry.name:
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode |= 0o644
    return entry
