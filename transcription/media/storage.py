"""Media storage in a local folder or S3, through Django's STORAGES, with a prefix for each tenant.

If S3 is unavailable or refuses access, all functions raise StorageUnavailable instead of its library's errors.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.utils.translation import gettext as _

from transcription.errors import Refused

log = logging.getLogger(__name__)
COPY_CHUNK = 1024 * 1024
SIGNED_SECONDS = 900

if TYPE_CHECKING:
    FileOfBytes = File[bytes]
else:
    FileOfBytes = File


class Readable(Protocol):
    """A file, or the body of S3's answer."""

    def read(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


class _MovableFile(FileOfBytes):
    """A file that FileSystemStorage moves instead of copying."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


class StorageUnavailable(Refused):
    """The object storage is unavailable or refuses access; trying later may succeed."""

    def __init__(self) -> None:
        super().__init__("storage_unavailable", _("The object storage does not answer. Try again later."))


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turns any error of S3's library into StorageUnavailable. With a local folder the library isn't imported."""
    if is_local():
        yield
        return
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        log.error("The object storage is unavailable: %s", error)
        raise StorageUnavailable from error


def recording_key(tenant_id: UUID, recording_id: UUID, kind: str = "original") -> str:
    """Returns a key made of ids only, so that no user input becomes part of a path."""
    return f"tenants/{tenant_id}/recordings/{recording_id}/{kind}"


def incoming_key(tenant_id: UUID, upload_id: UUID) -> str:
    """Returns the key of an upload that a program sends directly to S3, until it is accepted."""
    return f"tenants/{tenant_id}/incoming/{upload_id}"


def save(path: Path, key: str) -> None:
    """Stores the file at `path`, which is moved if the storage is local. Raises StorageUnavailable."""
    content = _MovableFile(path) if is_local() else File(path.open("rb"))
    with content, translate_errors():
        saved = default_storage.save(key, content)
    if saved != key:
        default_storage.delete(saved)
        raise FileExistsError(f"{key} is taken.")


def put_back(path: Path, key: str) -> None:
    """Stores the file at `path` in the place of whatever is there. Raises StorageUnavailable."""
    with translate_errors():
        default_storage.delete(key)
    save(path, key)


def copy(key: str, target: str) -> None:
    """Copies an object to another key. Raises OSError and StorageUnavailable."""
    with translate_errors(), default_storage.open(key, "rb") as source:
        saved = default_storage.save(target, source)
    if saved != target:
        default_storage.delete(saved)
        raise FileExistsError(f"{target} is taken.")


def copy_inside(key: str, target: str) -> None:
    """Copies an object of any size within S3, without downloading it. Raises StorageUnavailable."""
    store: Any = storages["default"]
    with translate_errors():
        if store.exists(target):
            raise FileExistsError(f"{target} is taken.")
        store.bucket.copy({"Bucket": store.bucket_name, "Key": key}, target)


def discard(*keys: str) -> None:
    """Deletes media without a row. If S3 is unavailable, the sweeper deletes it later."""
    for key in keys:
        with suppress(StorageUnavailable):
            delete(key)


def open_object(key: str) -> FileOfBytes | None:
    """Opens an object for reading; returns None if it doesn't exist. Raises StorageUnavailable."""
    try:
        with translate_errors():
            return default_storage.open(key, "rb")
    except FileNotFoundError:
        return None


def size_of(key: str) -> int | None:
    """Returns how many bytes an object has; None if it doesn't exist. Raises StorageUnavailable."""
    with translate_errors():
        if is_local():
            path = local_path(key)
            return path.stat().st_size if path.is_file() else None
        return int(default_storage.size(key)) if default_storage.exists(key) else None


def open_range(key: str, first: int, last: int) -> Readable:
    """Opens an object to be read from byte `first` on, as far as `last`. Raises OSError and StorageUnavailable."""
    if is_local():
        file = local_path(key).open("rb")
        file.seek(first)
        return file
    store: Any = storages["default"]
    with translate_errors():
        found = client().get_object(Bucket=store.bucket_name, Key=key, Range=f"bytes={first}-{last}")
    body: Readable = found["Body"]
    return body


def sizes_of(tenant_id: UUID) -> Iterator[int]:
    """Yields the size of every object of a tenant, including unaccepted uploads. Raises StorageUnavailable."""
    prefix = f"tenants/{tenant_id}/"
    if is_local():
        yield from (file.stat().st_size for file in Path(default_storage.path(prefix)).rglob("*") if file.is_file())
    else:
        with translate_errors():
            yield from (item.size for item in storages["default"].bucket.objects.filter(Prefix=prefix))  # type: ignore[attr-defined]


def erase_tenant(tenant_id: UUID) -> None:
    """Deletes every object of a tenant, with or without a row. Raises OSError and StorageUnavailable."""
    prefix = f"tenants/{tenant_id}/"
    if is_local():
        with suppress(FileNotFoundError):
            shutil.rmtree(default_storage.path(prefix))
    else:
        with translate_errors():
            storages["default"].bucket.objects.filter(Prefix=prefix).delete()  # type: ignore[attr-defined]


def delete(key: str) -> None:
    """Deletes an object if it exists. Raises StorageUnavailable."""
    if not key:
        return
    with translate_errors():
        default_storage.delete(key)
    if is_local():
        _drop_empty_folder(Path(default_storage.path(key)).parent)


def is_local() -> bool:
    return isinstance(storages["default"], FileSystemStorage)


def local_path(key: str) -> Path:
    """Returns an object's path. Raises NotImplementedError if the storage is not a local folder."""
    return Path(default_storage.path(key))


def signed_url(key: str, disposition: str = "") -> str:
    """Returns a URL of an object in S3, valid for SIGNED_SECONDS. `disposition` is the response's header."""
    answer = {"ResponseContentDisposition": disposition} if disposition else {}
    with translate_errors():
        return presigned("get_object", SIGNED_SECONDS, Key=key, **answer)


def presigned(method: str, seconds: int, **parameters: Any) -> str:
    """Returns a presigned URL for clients, at S3_PUBLIC_ENDPOINT_URL if that is set."""
    store: Any = storages["default"]
    client = _client_of(store, settings.S3_PUBLIC_ENDPOINT_URL or store.endpoint_url)
    parameters["Bucket"] = store.bucket_name
    return str(client.generate_presigned_url(method, Params=parameters, ExpiresIn=seconds))


def client() -> Any:
    """Returns S3's client, for operations that Django's storage doesn't have."""
    store: Any = storages["default"]
    return _client_of(store, store.endpoint_url)


def check_bucket() -> None:
    """Checks that the bucket can be accessed, within a few seconds. Raises StorageUnavailable."""
    if is_local():
        return
    store: Any = storages["default"]
    with translate_errors():
        _client_of(store, store.endpoint_url, is_prompt=True).head_bucket(Bucket=store.bucket_name)


def make_bucket() -> bool:
    """Makes the bucket; returns False where it is there already. Raises StorageUnavailable."""
    from botocore.exceptions import ClientError

    store: Any = storages["default"]
    region = store.region_name or "us-east-1"
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with translate_errors():
        try:
            client().head_bucket(Bucket=store.bucket_name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
        else:
            return False
        client().create_bucket(Bucket=store.bucket_name, **where)
    return True


@lru_cache(maxsize=6)
def _client_of(store: Any, endpoint_url: str | None, is_prompt: bool = False) -> Any:
    """Returns a client with the storage's credentials and version 4 signatures, which cover length and checksum.

    The client must not add checksums by default: they would be signed into URLs, but clients wouldn't send them.
    """
    from botocore.config import Config

    signing = Config(signature_version="s3v4", request_checksum_calculation="when_required")
    if not endpoint_url:
        signing = signing.merge(Config(s3={"addressing_style": "virtual"}))  # the region's host: no redirects of PUTs
    if is_prompt:
        signing = signing.merge(Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1}))
    return store._create_session().client(
        "s3",
        region_name=store.region_name,
        endpoint_url=endpoint_url,
        use_ssl=store.use_ssl,
        verify=store.verify,
        config=store.client_config.merge(signing),
    )


@contextmanager
def local_copy(key: str, on_progress: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yields a local path of the object: its own, or a temporary copy.

    `on_progress` is called for each copied megabyte. Raises StorageUnavailable.
    """
    if is_local():
        yield local_path(key)
        return
    settings.INCOMING_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.INCOMING_DIR, prefix="fetched-") as copy:
        with translate_errors(), default_storage.open(key, "rb") as source:
            while chunk := source.read(COPY_CHUNK):
                copy.write(chunk)
                on_progress()
        copy.flush()
        yield Path(copy.name)


@contextmanager
def temporary_path() -> Iterator[Path]:
    """Yields a path for a new file, which is deleted afterwards unless it was moved."""
    settings.INCOMING_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.INCOMING_DIR, prefix="scratch-") as folder:
        yield Path(folder) / "file"


@dataclass(frozen=True)
class StoredFile:
    """An object of a recording in the storage. modified: seconds since 1970."""

    key: str
    size: int
    modified: float


def stored_files() -> Iterator[StoredFile]:
    """Yields the objects of all recordings. Raises StorageUnavailable."""
    if not is_local():
        with translate_errors():
            for item in storages["default"].bucket.objects.filter(Prefix="tenants/"):  # type: ignore[attr-defined]
                yield StoredFile(item.key, item.size, item.last_modified.timestamp())
        return
    root = Path(default_storage.path("tenants"))
    for file in root.glob("*/recordings/*/*"):
        with suppress(FileNotFoundError):
            facts = file.stat()
            yield StoredFile(str(file.relative_to(root.parent)), facts.st_size, facts.st_mtime)


def keys_older_than(moment: datetime) -> Iterator[str]:
    """Yields the keys of recordings' objects last changed before `moment`. Raises StorageUnavailable."""
    return (file.key for file in stored_files() if file.modified < moment.timestamp())


def sha256_of(key: str) -> str:
    """Returns the SHA-256 of an object in hex; empty where there is none. Raises StorageUnavailable."""
    opened = open_object(key)
    if opened is None:
        return ""
    found = hashlib.sha256()
    with opened as source, translate_errors():
        for chunk in iter(lambda: source.read(COPY_CHUNK), b""):
            found.update(chunk)
    return found.hexdigest()


def recording_id_of(key: str) -> UUID | None:
    """Returns the id of the recording that a key belongs to; None for uploads and unknown keys."""
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
