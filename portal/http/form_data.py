"""Parses a multipart/form-data body (RFC 7578) with at most one file, which it writes to disk as it arrives."""

from __future__ import annotations

import hashlib
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

SPOOLED_FIELDS = ("known_speaker_references",)
"""Voices as data URLs of a megabyte and more: their values are files, and empty strings among the fields."""
LIST_NAME = re.compile(r"(.+?)\[[0-9]*\]", re.DOTALL)
EXTENDED_NAME = re.compile(rb"filename\*=utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


class TooLarge(Exception):
    """The file is larger than its limit."""


class BadUpload(Exception):
    """The body can't be parsed; the message says why."""


class MultipartUpload:
    """Takes a body in chunks; keeps fields in memory (FIELDS_LIMIT bytes in all) and the file on disk.

    `spooled` are files of the values of SPOOLED_FIELDS, in order: SPOOLED_MOST at most of SPOOLED_LIMIT bytes each.
    """

    FIELDS_LIMIT = 256 * 1024
    SPOOLED_MOST = 4
    SPOOLED_LIMIT = 4 * 1024 * 1024
    PARTS_LIMIT = 200

    def __init__(self, content_type: str, folder: Path, limit: int) -> None:
        self.fields: dict[str, list[str]] = {}
        self.file_name = ""
        self.path: Path | None = None
        self.size = 0
        self.spooled: list[Path] = []
        self._spool: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._content_type, self._folder, self._limit = content_type, folder, limit
        self._parser: MultipartParser | None = None
        self._file: IO[bytes] | None = None
        self._header_name, self._header_value = b"", b""
        self._headers: dict[str, bytes] = {}
        self._name, self._value, self._in_file = "", bytearray(), False
        self._fed, self._fields_size, self._spooled_size, self._parts, self._ended = 0, 0, 0, 0, False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def feed(self, chunk: bytes) -> None:
        """Raises TooLarge and BadUpload."""
        self._fed += len(chunk)
        try:
            self._parser = self._parser or self._new_parser()
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadUpload("The multipart body is malformed.") from error
        if self._fed - self._spooled_size > self._limit + self.FIELDS_LIMIT:
            raise TooLarge

    def finish(self) -> None:
        """Raises BadUpload where the body ended before its last boundary."""
        if not self._ended:
            raise BadUpload("The multipart body ended early." if self._parser else "The body is empty.")
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """Deletes the files; the main one unless it was moved."""
        for path in (self.path, *self.spooled):
            if path is not None:
                path.unlink(missing_ok=True)
        for file in (self._file, self._spool):
            if file is not None:
                with suppress(OSError):  # of a full disk, again
                    file.close()

    def _new_parser(self) -> MultipartParser:
        kind, options = parse_options_header(self._content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise BadUpload("The body must be multipart/form-data with a boundary.")
        return MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin_part,
                "on_part_data": self._part_data,
                "on_part_end": self._end_part,
                "on_header_field": self._header_field,
                "on_header_value": self._header_text,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_end": self._end,
            },
        )

    def _end(self) -> None:
        self._ended = True

    def _begin_part(self) -> None:
        self._headers, self._value, self._in_file = {}, bytearray(), False
        self._parts += 1
        if self._parts > self.PARTS_LIMIT:
            raise BadUpload("The form has too many parts.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def _end_headers(self) -> None:
        header = self._headers.get("content-disposition", b"")
        _kind, options = parse_options_header(header)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = b"filename" in header or self._name == "file"
        if self._in_file:
            self._open(_file_name(header, options))
        elif list_name(self._name) in SPOOLED_FIELDS:
            self._open_spool()

    def _open(self, file_name: str) -> None:
        if self.path is not None:
            raise BadUpload("One request takes one file.")
        self._file = self._new_file()
        self.path, self.file_name = Path(self._file.name), file_name

    def _open_spool(self) -> None:
        if len(self.spooled) >= self.SPOOLED_MOST:
            raise BadUpload(f"The form has more than {self.SPOOLED_MOST} {list_name(self._name)}.")
        self._spool = self._new_file()
        self.spooled.append(Path(self._spool.name))

    def _new_file(self) -> IO[bytes]:
        """Opens a file that `finish`, `_end_part` or `discard` closes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.NamedTemporaryFile(dir=self._folder, prefix="upload-", delete=False)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._write(data[start:end])
            return
        if self._spool is not None:
            if self._spool.tell() + end - start > self.SPOOLED_LIMIT:
                megabytes = self.SPOOLED_LIMIT // 1024**2
                raise BadUpload(f"One of {list_name(self._name)} is larger than {megabytes} MiB.")
            self._spool.write(data[start:end])
            self._spooled_size += end - start
            return
        self._fields_size += end - start
        if self._fields_size > self.FIELDS_LIMIT:
            raise BadUpload("The form's fields are too long.")
        self._value += data[start:end]

    def _write(self, piece: bytes) -> None:
        assert self._file is not None
        self.size += len(piece)
        if self.size > self._limit:
            raise TooLarge
        self._digest.update(piece)
        self._file.write(piece)

    def _end_part(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        if not self._in_file:
            self.fields.setdefault(self._name, []).append(self._value.decode("utf-8", "replace"))


def list_name(field: str) -> str:
    """Returns the name of a list whose values are sent as `name`, `name[]` or `name[0]`."""
    spelled = LIST_NAME.fullmatch(field)
    return spelled[1] if spelled else field


def _file_name(header: bytes, options: dict[bytes, bytes]) -> str:
    """Returns the name as browsers, curl and SDKs send it (UTF-8, quotes as %22), else as old clients do (RFC 5987)."""
    if b"filename" in options:
        return options[b"filename"].decode("utf-8", "replace").replace("%22", '"')
    extended = EXTENDED_NAME.search(header)
    return unquote(extended[1].decode("latin-1"), errors="replace") if extended else ""
