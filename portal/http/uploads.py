"""Streams uploads to disk, under the tenant's size limit, before Django sees the request.

Django's own handler takes a whole body first and asks questions later. Here one file part is written to INCOMING_DIR
as it arrives, never more than a chunk of it is held, and reading stops the moment a limit is passed. What no view has
taken is deleted at the end, whatever that end is.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest

from portal.http import json_body
from portal.http.asgi import Receive, Scope, header
from portal.http.form_data import BadUpload, MultipartUpload, TooLarge, list_name
from portal.http.json_body import BadJson
from portal.http.receiving import UploadRefused, body_of, outcome_of
from tenants import refusals
from tenants.access import Actor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """A request's file, on this machine's disk, and its other fields. `path` is deleted unless it is moved."""

    fields: dict[str, list[str]]
    file_name: str
    path: Path
    size: int
    sha256: str
    seconds: float = 0.0
    """How long it took to arrive."""

    spooled: tuple[Path, ...] = ()
    """The values of fields that are kept as files, which are deleted with the request."""

    def field(self, name: str, default: str = "") -> str:
        """Returns the last value given for a field."""
        return self.fields.get(name, [default])[-1]

    def every(self, name: str) -> list[str]:
        """Returns all values of a list: sent as `name`, `name[]`, `name[0]`, or at once as a JSON array of strings."""
        sent = (values for field, values in self.fields.items() if list_name(field) == name)
        return [text for values in sent for value in values for text in _strings(value)]


def _strings(value: str) -> list[str]:
    """Returns those of a JSON array of strings; any other value is one."""
    if value.lstrip().startswith("["):
        with suppress(BadJson):
            found = json_body.parse(value)
            if all(isinstance(one, str) for one in found):
                return list(found)
    return [value]


def received(request: HttpRequest) -> Upload:
    """Returns the upload of this request. Raises UploadRefused."""
    return outcome_of(request, Upload, "The body must be multipart/form-data.")


_FIELDS_BYTES = MultipartUpload.FIELDS_LIMIT + MultipartUpload.SPOOLED_MOST * MultipartUpload.SPOOLED_LIMIT


class IncomingForm:
    """Takes a form with a file, which is deleted unless a view moves it."""

    def __init__(self, scope: Scope, actor: Actor, _request: HttpRequest) -> None:
        self._tenant = actor.tenant
        self.tenant_id: UUID = actor.tenant.id
        self._limit = min(actor.tenant.quota.upload_bytes, settings.UPLOAD_BYTES_LIMIT)
        self._announced = int(header(scope, "content-length") or 0)
        self._form = MultipartUpload(header(scope, "content-type"), settings.INCOMING_DIR, self._limit)

    async def take(self, receive: Receive) -> Upload:
        """Raises UploadRefused and ClientDisconnected."""
        begin = time.monotonic()
        feed = sync_to_async(self._form.feed, thread_sensitive=False)
        try:
            if self._announced > self._limit + _FIELDS_BYTES:
                raise TooLarge
            async for chunk in body_of(receive):
                await feed(chunk)
            self._form.finish()
        except TooLarge:
            refusals.count(self._tenant, "upload_bytes")
            raise UploadRefused("too_large", limit=self._limit) from None
        except BadUpload as error:
            raise UploadRefused("malformed", str(error)) from error
        except OSError as error:
            log.error("An upload could not be written: %s", error)
            raise UploadRefused("no_room") from error
        form = self._form
        if form.path is None:
            raise UploadRefused("no_file", "The field `file` is missing.")
        return Upload(
            form.fields,
            form.file_name,
            form.path,
            form.size,
            form.sha256,
            time.monotonic() - begin,
            tuple(form.spooled),
        )

    async def release(self) -> None:
        await sync_to_async(self._form.discard, thread_sensitive=False)()
