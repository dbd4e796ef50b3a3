"""Where media lies: a local folder or S3, through Django's STORAGES, under a tenant's prefix."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage, storages

COPY_CHUNK = 1024 * 1024
SIGNED_SECONDS = 900

if TYPE_CHECKING:
    FileOfBytes = File[bytes]
else:
    FileOfBytes = File


class _Moved(FileOfBytes):
    """A file that FileSystemStorage may rename into place instead of copying."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def recording_key(tenant_id: UUID, recording_id: UUID, kind: str = "original") -> str:
    """Names hold ids only: nothing a person typed becomes part of a path."""
    return f"tenants/{tenant_id}/recordings/{recording_id}/{kind}"


def incoming_key(tenant_id: UUID, upload_id: UUID) -> str:
    """Where what a program sends straight to S3 lies until it is accepted."""
    return f"tenants/{tenant_id}/incoming/{upload_id}"


def keep(path: Path, key: str) -> None:
    """Stores the file at `path`, which is gone afterwards when the storage is local."""
    content = _Moved(path) if is_local() else File(path.open("rb"))
    with content:
        saved = default_storage.save(key, content)
    if saved != key:
        default_storage.delete(saved)
        raise FileExistsError(f"{key} is taken.")


def copy(key: str, target: str) -> None:
    """Stores what lies at `key` under another key too. Raises OSError where nothing can be read."""
    with default_storage.open(key, "rb") as source:
        saved = default_storage.save(target, source)
    if saved != target:
        default_storage.delete(saved)
        raise FileExistsError(f"{target} is taken.")


def copy_inside(key: str, target: str) -> None:
    """The same within S3, at any size, and without a byte coming here."""
    store: Any = storages["default"]
    if store.exists(target):
        raise FileExistsError(f"{target} is taken.")
    store.bucket.copy({"Bucket": store.bucket_name, "Key": key}, target)


def delete(key: str) -> None:
    """Deletes what lies at `key`; nothing there is no error."""
    if not key:
        return
    default_storage.delete(key)
    if is_local():
        _drop_empty_folder(Path(default_storage.path(key)).parent)


def is_local() -> bool:
    return isinstance(storages["default"], FileSystemStorage)


def local_path(key: str) -> Path:
    """Raises NotImplementedError where the storage is not a local folder."""
    return Path(default_storage.path(key))


def signed_url(key: str, disposition: str = "") -> str:
    """A URL that lets a browser fetch one object from S3 for a while; `disposition` is the answer's header."""
    store: Any = storages["default"]
    parameters = {"ResponseContentDisposition": disposition} if disposition else {}
    return str(store.url(key, parameters=parameters, expire=SIGNED_SECONDS))


@contextmanager
def fetched(key: str, on_progress: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """A local path to read the object from: itself, or a temporary copy streamed to disk.

    `on_progress` is called for each megabyte that is copied.
    """
    if is_local():
        yield local_path(key)
        return
    settings.INCOMING_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.INCOMING_DIR, prefix="fetched-") as copy:
        with default_storage.open(key, "rb") as source:
            while chunk := source.read(COPY_CHUNK):
                copy.write(chunk)
                on_progress()
        copy.flush()
        yield Path(copy.name)


@contextmanager
def scratch() -> Iterator[Path]:
    """A path for a file in the making, gone afterwards unless it was kept."""
    settings.INCOMING_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.INCOMING_DIR, prefix="scratch-") as folder:
        yield Path(folder) / "file"


def keys_older_than(moment: datetime) -> Iterator[str]:
    """Every media key whose object was last changed before `moment`."""
    if not is_local():
        for item in storages["default"].bucket.objects.filter(Prefix="tenants/"):  # type: ignore[attr-defined]
            if item.last_modified < moment:
                yield item.key
        return
    root = Path(default_storage.path("tenants"))
    for file in root.glob("*/recordings/*/*"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < moment.timestamp():
                yield str(file.relative_to(root.parent))


def recording_id_of(key: str) -> UUID | None:
    """Whose media lies at `key`; None for a key that is not of our making, or of an upload."""
    try:
        _tenants, _tenant, kind, name, *_rest = key.split("/")
        return UUID(name) if kind == "recordings" else None
    except ValueError:
        return None


def _drop_empty_folder(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass
