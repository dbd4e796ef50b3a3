"""What is wrong with a machine and its settings, part by part, and what to do: `manage.py doctor`.

Nothing is changed but for an object that is written to the storage and deleted again, and no mail is sent.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.mail import get_connection
from django.db import Error as DatabaseError
from django.db import connection

from portal import health, saml
from portal.exposure import is_loopback
from portal.health import GIB, LEAST_FREE_GIB
from tenants import database_clock, identity_providers
from tenants.schema import missing_migrations
from transcription import redis
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.gpu_check.card import find_card, has_torch, require_driver, require_working_driver
from transcription.engine.types import EngineError
from transcription.engine.weights import stored
from transcription.media import ffmpeg, storage
from transcription.options import offered_models
from transcription.redaction import redact

State = Literal["ok", "warning", "problem"]
MUCH_FREE_GIB = 10
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. remedy: what to do, where it isn't ok."""

    part: str
    state: State
    text: str
    remedy: str = ""


Findings = Iterator[Finding]


def examine(parts: Collection[str] = ()) -> Findings:
    """Yields what is found of these parts, of all unless given, each when it was looked at.

    What a part raises is a problem of it. Of a database that can't be used nothing else is asked.
    """
    is_usable = True
    for part in parts or PARTS:
        if part == "processes" and not is_usable:
            continue
        try:
            for finding in PARTS[part]():
                is_usable = is_usable and not (finding.part == "database" and finding.state == "problem")
                yield finding
        except Exception as error:
            reason = _first_line(f"{type(error).__name__}: {error}")
            yield Finding(part, "problem", f"could not be looked at ({reason})", "See the log of the processes.")


def _settings() -> Findings:
    """Django's checks of the configuration and ours; of those for production Django's where pages go over HTTPS."""
    found = checks.run_checks(include_deployment_checks=True)
    for message in (one for one in found if not one.is_silenced() and one.level >= checks.WARNING):
        is_for_https = str(message.id).startswith("security.") and not settings.SESSION_COOKIE_SECURE
        if is_for_https or message.id == "portal.W001":  # Redis is looked at by itself
            continue
        state: State = "problem" if message.is_serious() else "warning"
        yield Finding("settings", state, f"{message.id}: {redact(str(message.msg))}", message.hint or "")
    if not settings.SESSION_COOKIE_SECURE and not is_loopback(urlsplit(settings.PORTAL_URL).hostname or ""):
        remedy = "Put a proxy with HTTPS in front (docker/nginx.conf) and begin PORTAL_URL with https://."
        yield Finding("settings", "warning", f"{settings.PORTAL_URL} sends passwords and keys unencrypted", remedy)
    yield Finding("settings", "ok", f"people and programs use {settings.PORTAL_URL}")


def _database() -> Findings:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        remedy = "Start it, or correct DATABASE_URL; its user needs a database of its own."
        yield Finding("database", "problem", f"does not answer: {_first_line(error)}", remedy)
        return
    if missing := missing_migrations():
        text = f"migrations are missing: {', '.join(missing)}"
        yield Finding("database", "problem", text, "Run: manage.py migrate")
    elif not saml.is_installed() and identity_providers.speak_saml():
        text = "organisations sign in with SAML, and what that needs is not installed"
        yield Finding("sign-in", "problem", text, f"Run: {saml.INSTALL}")
    version = ".".join(map(str, connection.get_database_version()))
    yield Finding("database", "ok", f"{connection.display_name} {version}")
    if database_clock.is_skewed(ahead := database_clock.skew()):
        text = f"this machine's clock is {database_clock.described(ahead)}"
        yield Finding("clock", "problem", text, "Let NTP set the clocks of all hosts: timedatectl set-ntp true")
    else:
        yield Finding("clock", "ok", "agrees with the database's")


def _redis() -> Findings:
    if (milliseconds := redis.ping()) is None:
        ours = "It starts with the portal: make run, or manage.py up."
        remedy = ours if settings.REDIS_EMBEDDED else "Start Redis 7 or Valkey 8, or correct REDIS_URL."
        yield Finding("redis", "warning" if settings.REDIS_EMBEDDED else "problem", "does not answer", remedy)
        return
    if not redis.is_writable():
        remedy = "It is full or a replica: raise maxmemory, or name the primary, or its Sentinels, in REDIS_URL."
        yield Finding("redis", "problem", "takes no writes", remedy)
    if silent := redis.silent_sentinels():
        remedy = "Start it, or correct REDIS_URL: without a majority of the Sentinels no replica takes over."
        yield Finding("redis", "warning", f"no primary is known to the Sentinel {', '.join(silent)}", remedy)
    yield Finding("redis", "ok", f"answers within {milliseconds:.1f} ms")


def _folders() -> Findings:
    """The folders that are written to, and the disks that they are on."""
    named = {"data": settings.DATA, "uploads": settings.UPLOADS_DIR, "incoming": settings.INCOMING_DIR}
    disks: dict[int, Path] = {}
    for name, folder in (named | {"weights": settings.WHISPER_WEIGHTS}).items():
        place = _nearest(folder)
        if not os.access(place, os.W_OK | os.X_OK):
            remedy = f"Let the user of the processes write there: chown -R {os.getuid()} {folder}"
            yield Finding("disk", "problem", f"{folder} ({name}) can't be written to", remedy)
        disks.setdefault(place.stat().st_dev, place)
    for place in disks.values():
        free = shutil.disk_usage(place).free / GIB
        state: State = "problem" if free < LEAST_FREE_GIB else "warning" if free < MUCH_FREE_GIB else "ok"
        remedy = "Uploads are refused when it is full: free some, or keep media in S3 (S3_BUCKET)."
        yield Finding("disk", state, f"{free:.1f} GiB are free at {place}", "" if state == "ok" else remedy)


def _storage() -> Findings:
    """Writes, reads and deletes an object, as uploads do."""
    if storage.is_local():
        yield Finding("storage", "ok", f"media are kept in {storage.local_path('')}")
        return
    store, content = storages["default"], uuid.uuid4().hex.encode()
    remedy = "Its user needs s3:PutObject, GetObject, DeleteObject and ListBucket; check S3_BUCKET and S3_ENDPOINT_URL."
    try:
        storage.check_bucket()
        with storage.translate_errors():
            name = store.save(f"doctor/{uuid.uuid4()}", ContentFile(content))
            is_same = store.open(name).read() == content
            store.delete(name)
    except storage.StorageUnavailable as error:
        yield Finding("storage", "problem", f"the bucket {settings.S3_BUCKET}: {_first_line(error)}", remedy)
        return
    text = f"the bucket {settings.S3_BUCKET} takes, gives and deletes objects"
    yield Finding("storage", "ok", text) if is_same else Finding("storage", "problem", "gives other bytes back", remedy)


def _ffmpeg() -> Findings:
    program = ffmpeg.find_ffmpeg()
    done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        remedy = "Install the requirements again (make run does), or put another ffmpeg there."
        yield Finding("ffmpeg", "problem", f"{program} does not run: {_first_line(done.stderr)}", remedy)
    else:
        yield Finding("ffmpeg", "ok", done.stdout.partition(" Copyright")[0])


def _gpu() -> Findings:
    card = find_card()
    if card is None:
        try:
            require_working_driver()
        except EngineError as error:
            yield Finding("gpu", "problem", str(error), "Restart the machine.")
            return
        if shutil.which("nvidia-smi") or settings.WHISPER_DEVICE == "cuda":
            remedy = "nvidia-smi must list it; a container needs NVIDIA's toolkit and --gpus all."
            state: State = "problem" if settings.WHISPER_DEVICE == "cuda" else "warning"
            yield Finding("gpu", state, "there is a driver's program, but no GPU answers", remedy)
        else:
            yield Finding("gpu", "ok", f"none: {offered_models.default_model()} runs on the CPU")
        return
    text = f"{card.name}, {card.total_mib / 1024:.0f} GiB, driver {card.driver}"
    try:
        require_driver(card)
    except EngineError as error:
        yield Finding("gpu", "problem", str(error), "Install the driver that is named.")
        return
    yield Finding("gpu", "ok", text)
    if not has_torch():
        remedy = "Install requirements/torch.txt (make run does where there is a GPU), or set WHISPER_DEVICE=cpu."
        yield Finding("gpu", "problem", "torch is not installed: the GPU would not be used", remedy)
    if card.used_mib > card.total_mib / 2:
        text = f"{card.used_mib:.0f} MiB of it are used, by our engine or by other programs"
        yield Finding("gpu", "warning", text, "If the engine does not run: nvidia-smi says who uses them.")


def _models() -> Findings:
    for model in offered_models.offered():
        known = stored(model.name, offered_models.weights_form(), settings.WHISPER_WEIGHTS)
        if known is not None and known.state == "whole":
            yield Finding("models", "ok", f"{model.name} is there")
        elif known is not None and known.state == "damaged":
            remedy = f"Run: manage.py model fetch {model.name}"
            yield Finding("models", "problem", f"{model.name} is damaged", remedy)
        else:
            size = CATALOGUE[model.name].megabytes if model.name in CATALOGUE else 0
            text = f"{model.name} is not there: {size} MB are fetched at the first start"
            remedy = f"Without a way to the internet: manage.py model fetch {model.name} --from FILE"
            yield Finding("models", "warning", text, remedy)
    memory = psutil.virtual_memory().total / GIB
    if not offered_models.has_gpu() and offered_models.default_model() in ("medium", "large-v3") and memory < 16:
        text = f"{offered_models.default_model()} on a CPU needs more than the {memory:.0f} GiB of memory here"
        yield Finding("models", "problem", text, "Begin WHISPER_MODELS with base or small.")


def _port() -> Findings:
    """Whether the address can be listened on; the portal itself may do so."""
    name = f"{settings.HOST}:{settings.PORT}"
    if reason := _is_taken((settings.HOST, settings.PORT)):
        remedy = "If it is not the portal that runs there: PORT=8001, or end the other program."
        yield Finding("port", "warning", f"{name} is taken ({reason})", remedy)
    else:
        yield Finding("port", "ok", f"{name} is free")


def _mail() -> Findings:
    backend = settings.EMAIL_BACKEND.rsplit(".", 2)[-2]
    if backend != "smtp":
        remedy = "Set EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend and EMAIL_HOST: invitations go by mail."
        yield Finding("mail", "warning", f"is not sent, but written to {backend}", remedy)
        return
    try:
        with get_connection():
            pass
    except OSError as error:
        remedy = "Check EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS or EMAIL_USE_SSL, and name and password."
        yield Finding("mail", "problem", f"{settings.EMAIL_HOST} takes no mail: {_first_line(error)}", remedy)
    else:
        yield Finding("mail", "ok", f"{settings.EMAIL_HOST} lets us in")


def _processes() -> Findings:
    """What /health says, where the portal runs."""
    found = health.examine()
    if not found.engines and not _is_taken((settings.HOST, settings.PORT)):
        yield Finding("processes", "warning", "the portal does not run on this machine", "Start it: make run.")
        return
    for problem in found.problems:
        remedy = "Start the portal (make run, or the gpuworker's unit), or read the log of what does not start."
        yield Finding("processes", "problem" if found.status == health.DOWN else "warning", problem, remedy)
    if found.is_engine_ready:
        yield Finding("processes", "ok", f"{sum(engine.ready for engine in found.engines)} engine(s) ready")


PARTS: dict[str, Callable[[], Findings]] = {
    "settings": _settings,
    "database": _database,
    "redis": _redis,
    "disk": _folders,
    "storage": _storage,
    "ffmpeg": _ffmpeg,
    "gpu": _gpu,
    "models": _models,
    "port": _port,
    "mail": _mail,
    "processes": _processes,
}


def _is_taken(address: tuple[str, int]) -> str:
    """Returns why an address can't be listened on; "" where it can."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(address)
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _nearest(folder: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _first_line(error: object) -> str:
    """Returns it without secrets: a driver's error may repeat an address with its password."""
    return (redact(str(error)).strip().splitlines() or [type(error).__name__])[0][:LONGEST_REASON]
