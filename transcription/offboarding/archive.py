"""Streams all data of a tenant as a zip; memory holds one transcript or one chunk of a file.

README.txt                                 the contents
tenant.json, rows/MODEL.jsonl              settings, members, keys, webhooks, audit log, ledger, corrections …
recordings/DAY-NAME-ID/original.EXT        the media, and playback.m4a where browsers needed a copy
recordings/DAY-NAME-ID/ID.txt, ID.json     the text of each transcription
recordings/DAY-NAME-ID/receipt.json        what became of it, signed
SHA256SUMS                                 of all files before, for `sha256sum --check`
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import IO, Any, cast
from urllib.parse import urlsplit, urlunsplit

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.text import slugify

from tenants.models import EnrolledVoice, Quota, RequestBudget, Tenant, User
from transcription.connections import lend_connection
from transcription.exports.speakers import names_of
from transcription.exports.texts import full_json, plain_text
from transcription.exports.zips import Sink
from transcription.media import storage
from transcription.models import (
    WHOLE,
    DiarizationCheckpoint,
    IdempotencyKey,
    KnownSpeaker,
    LaneBacklog,
    Loudness,
    Recording,
    SearchEntry,
    Segment,
    SubtitledVideo,
    TenantSchedule,
)
from transcription.offboarding.tenant_models import Rows, refers_to, rows_of, tenant_models
from transcription.receipts.recordings import signed_receipt

BATCH = 500
RECEIPT = "/receipt.json"
"""The last file of each recording."""

CHUNK_BYTES = 1024 * 1024
SECRET_FIELDS = {"digest", "old_digest", "salt", "old_salt", "password", "sealed_secret"}
LEFT_OUT: dict[str, str] = {
    Segment._meta.label_lower: "stands in the transcripts",
    DiarizationCheckpoint._meta.label_lower: "voices, kept only while a recording is transcribed",
    EnrolledVoice._meta.label_lower: "what a network makes of members' voices, which they delete and make themselves",
    KnownSpeaker._meta.label_lower: "voices, kept only while a recording is transcribed",
    Loudness._meta.label_lower: "how loud the recordings are, made from them",
    SubtitledVideo._meta.label_lower: "made from the recordings and transcripts, and kept for a week",
    SearchEntry._meta.label_lower: "the search index, made from the transcripts",
    Quota._meta.label_lower: "stands in tenant.json",
    TenantSchedule._meta.label_lower: "the moment's place in the fair order",
    LaneBacklog._meta.label_lower: "the moment's queue",
    RequestBudget._meta.label_lower: "the moment's requests",
    IdempotencyKey._meta.label_lower: "kept for a day",
    "tickets.socketticket": "kept for a minute",
}
README = """\
Everything that {name} had in Whisper Portal at {portal}, on {moment}.

tenant.json          its settings and limits
rows/                one line of JSON for each row: members, API keys (without their secrets), webhooks, recordings,
                     transcriptions, corrections (revision) and the text before them (machinetext), the audit log,
                     the ledger, usage by month and what else there is
recordings/          a folder for each recording: the media, its transcripts as text and JSON, and a signed receipt
SHA256SUMS           check with: sha256sum --check SHA256SUMS

Left out: {left_out}.
"""


def stream(tenant: Tenant, portal: str, count: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    """Yields the archive in chunks. Call each `next` with the tenant bound and outside a transaction.

    Calls `count` after each recording.

    Raises StorageUnavailable at any time; then the archive is incomplete.
    """
    sink, sums = Sink(), list[str]()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w") as archive:
        for name, chunks in _files(tenant, portal, sums):
            info = zipfile.ZipInfo(name, timezone.now().timetuple()[:6])
            is_media = name.startswith("recordings/") and not name.endswith((".txt", ".json"))
            info.compress_type = zipfile.ZIP_STORED if is_media else zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            digest = hashlib.sha256()
            with archive.open(info, "w", force_zip64=True) as member:
                for chunk in chunks:
                    member.write(chunk)
                    digest.update(chunk)
                    if data := sink.take():
                        yield data
            sums.append(f"{digest.hexdigest()}  {name}\n")
            if name.endswith(RECEIPT):
                count()
    yield sink.take()


def _files(tenant: Tenant, portal: str, sums: list[str]) -> Iterator[tuple[str, Iterable[bytes]]]:
    yield "README.txt", [_readme(tenant, portal).encode()]
    yield "tenant.json", [_json(_fields(tenant) | {"quota": _fields(tenant.quota)}, indent=2)]
    emails = _EmailLookup()
    for model in reversed(tenant_models()):
        if model._meta.label_lower not in LEFT_OUT:
            yield f"rows/{model._meta.app_label}.{model._meta.model_name}.jsonl", _json_lines(model, tenant, emails)
    for recording in _batches(Recording, tenant):
        yield from _recording(recording)
    yield "SHA256SUMS", ["".join(sums).encode()]


def _readme(tenant: Tenant, portal: str) -> str:
    left_out = "; ".join(f"{name} ({why})" for name, why in sorted(LEFT_OUT.items()))
    return README.format(name=tenant.name, portal=portal, moment=timezone.now().isoformat(), left_out=left_out)


def _recording(recording: Recording) -> Iterator[tuple[str, Iterable[bytes]]]:
    stem, _dot, ending = recording.name.rpartition(".")
    name = slugify(stem or recording.name, allow_unicode=True)[:60]
    folder = f"recordings/{recording.created_at:%Y-%m-%d}-{name}-{recording.id}"
    ending = ending.lower() if re.fullmatch(r"[A-Za-z0-9]{1,5}", ending) else "media"
    if recording.audio_deleted_at is None:
        yield from _media(f"{folder}/original.{ending}", recording.storage_key)
        for key in recording.copies:
            yield from _media(f"{folder}/{key.rpartition('/')[2]}", key)
    for row in recording.transcriptions.filter(WHOLE).order_by("created_at", "id"):
        if row.text_deleted_at is None:
            segments = list(row.segments.all())
            yield f"{folder}/{row.id}.txt", [plain_text(segments, names_of(row)).encode(errors="replace")]
            yield f"{folder}/{row.id}.json", [full_json(row, segments).encode(errors="replace")]
    yield f"{folder}{RECEIPT}", [_json(signed_receipt(recording.tenant, recording.id), indent=2)]


def _media(name: str, key: str) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yields a stored file, or nothing if it is missing in the storage."""
    if key and (opened := storage.open_object(key)) is not None:
        with opened:
            lend_connection()
            yield name, iter(partial(_read_chunk, opened), b"")


def _read_chunk(opened: storage.FileOfBytes) -> bytes:
    """Returns the next chunk, b"" at the end. Raises StorageUnavailable."""
    with storage.translate_errors():
        return bytes(opened.read(CHUNK_BYTES))


def _json_lines(model: Rows, tenant: Tenant, emails: _EmailLookup) -> Iterator[bytes]:
    user_fields = refers_to(model, User)
    for row in _batches(model, tenant):
        named = {f"{name}_email": emails.get(getattr(row, f"{name}_id")) for name in user_fields}
        yield _json(_fields(row) | named) + b"\n"


class _EmailLookup:
    """Caches e-mail addresses by user id."""

    def __init__(self) -> None:
        self._known: dict[int | None, str] = {None: ""}

    def get(self, user_id: int | None) -> str:
        if user_id is not None and user_id not in self._known:
            self._known[user_id] = User.objects.filter(pk=user_id).values_list("email", flat=True).first() or ""
        return self._known[user_id]


def _batches(model: Rows, tenant: Tenant) -> Iterator[Any]:
    """Yields all rows by their primary key, reading BATCH rows by each query."""
    rows = rows_of(model, tenant.id).order_by("pk")
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


REDACTED_FIELDS: dict[str, Callable[[Any], Any]] = {
    # The query may contain a signature that grants access to the file.
    "fetches.fetch.url": lambda url: urlunsplit(urlsplit(url)._replace(query="", fragment="")),
}


def _fields(row: models.Model) -> dict[str, Any]:
    model = row._meta.label_lower
    fields = (field.attname for field in row._meta.concrete_fields if field.name not in SECRET_FIELDS)
    return {name: REDACTED_FIELDS.get(f"{model}.{name}", lambda value: value)(getattr(row, name)) for name in fields}


def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, indent=indent).encode()
