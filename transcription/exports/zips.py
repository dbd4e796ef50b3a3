"""Many transcripts as one zip, made while it is sent; memory holds one transcript."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.exports.formats import Export, render
from transcription.library import read_audit
from transcription.library.retention import TextDeleted
from transcription.models import Recording, Status, Transcription

LONGEST_STEM = 200
"""Bytes: file systems take 255, with a number and the ending."""

LEFT_OUT = "_left out.txt"
# What Windows, or a path, takes for something else.
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")


class Sink:
    """A buffer that zipfile writes to, without seeking, and that is emptied after each chunk."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data, self._chunks = b"".join(self._chunks), []
        return data


class Names:
    """Names of files that are safe in any folder, each given once, whatever recordings are called."""

    def __init__(self) -> None:
        self._given = {LEFT_OUT.casefold()}
        self._numbers = dict[str, int]()

    def name(self, wanted: str) -> str:
        stem, _dot, ending = wanted.rpartition(".")
        plain = "".join(c for c in unicodedata.normalize("NFC", stem) if unicodedata.category(c)[0] != "C")
        plain = FORBIDDEN.sub("_", plain).encode(errors="ignore")[:LONGEST_STEM].decode(errors="ignore").strip(" .")
        plain = f"_{plain}" if not plain or DEVICES.match(plain) else plain
        first = given = f"{plain}.{ending}"
        while given.casefold() in self._given:
            number = self._numbers[first] = self._numbers.get(first, 1) + 1
            given = f"{plain} ({number}).{ending}"
        self._given.add(given.casefold())
        return given


def zip_of(actor: Actor, rows: Iterator[Recording], format: str) -> Iterator[bytes]:
    """Yields a zip of the recordings' latest texts, each read of it audited, and a list of those that have none.

    Call each `next` with the tenant bound.
    """
    sink, names, left_out = Sink(), Names(), list[str]()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w") as archive:
        for row in rows:
            export = _export(actor, _newest_text(row), format)
            if export is None:
                left_out.append(row.name)
                continue
            _add(archive, names.name(export.file_name), export.body)
            if data := sink.take():
                yield data
        if left_out:
            head = _("These recordings have no transcript:")
            _add(archive, LEFT_OUT, "\n".join([head, "", *left_out, ""]))
    yield sink.take()


def _newest_text(row: Recording) -> Transcription | None:
    """Returns the latest transcription that has a text: a later one may run, or have failed."""
    every = row.transcriptions.all()
    texts = [one for one in every if one.is_main and one.status == Status.COMPLETED and one.text_deleted_at is None]
    return max(texts, key=lambda one: (one.shown_at, one.id), default=None)


def _export(actor: Actor, row: Transcription | None, format: str) -> Export | None:
    if row is None:
        return None
    try:
        export = render(row, format)
    except TextDeleted:
        return None
    read_audit.exported(actor, row, format)
    return export


def _add(archive: zipfile.ZipFile, name: str, body: str | bytes) -> None:
    info = zipfile.ZipInfo(name, timezone.localtime().timetuple()[:6])
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    archive.writestr(info, body)
