"""Uploads as they lie on disk when intake is called."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tenants.access import Actor
from transcription.intake import accept
from transcription.models import Folder, Transcription
from transcription.options.options import TranscriptionOptions


@dataclass(frozen=True)
class ArrivedFile:
    file_name: str
    path: Path
    size: int
    sha256: str
    seconds: float = 0.0


def arrive(source: Path, name: str = "") -> ArrivedFile:
    settings.INCOMING_DIR.mkdir(parents=True, exist_ok=True)
    path = settings.INCOMING_DIR / f"upload-{source.name}"
    shutil.copyfile(source, path)
    data = path.read_bytes()
    return ArrivedFile(name or source.name, path, len(data), hashlib.sha256(data).hexdigest())


def submit(actor: Actor, source: Path, **options: object) -> Transcription:
    folder = options.pop("folder", None)
    assert folder is None or isinstance(folder, Folder)
    checked = TranscriptionOptions.checked(**options)  # type: ignore[arg-type]
    return accept.accept(actor, arrive(source), checked, source="upload", folder=folder)
