"""Mails failures to ADMINS, at most once an hour each, without secrets.

LOGGING and DEFAULT_EXCEPTION_REPORTER in the settings install these classes.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from django.conf import settings
from django.core.exceptions import AppRegistryNotReady
from django.http import HttpRequest
from django.utils.log import AdminEmailHandler
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from transcription.redaction import redact

log = logging.getLogger(__name__)
BETWEEN_MAILS_SECONDS = 3600


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's filter, extended to URLs with passwords, and active with DEBUG too."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|COOKIE|CREDENTIAL|DATABASE_URL|REDIS_URL|ENDPOINT|DSN",
        re.I,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return redact(cleansed) if isinstance(cleansed, str) else cleansed

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        """Returns only the fields' names, since forms contain passwords and personal texts."""
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleanse_setting(name, value)) for name, value in variables]


class ErrorReporter(ExceptionReporter):
    """Django's report, redacted as a whole, since messages and variables may contain secrets."""

    def get_traceback_html(self) -> SafeString:
        return self._redacted(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        return self._redacted(super().get_traceback_text())

    def _redacted(self, report: str) -> SafeString:
        return SafeString(redact(report, self._secrets_of_the_request()))

    def _secrets_of_the_request(self) -> tuple[str, ...]:
        if self.request is None:
            return ()
        return (*self.request.COOKIES.values(), *self.request.headers.get("Authorization", "").split()[1:])


class ErrorMailHandler(AdminEmailHandler):
    """Mails unhandled exceptions to ADMINS, each at most once an hour across all processes."""

    def emit(self, record: logging.LogRecord) -> None:
        if not settings.ADMINS or not record.exc_info or not record.exc_info[0] or not may_mail(_failure(record)):
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._mail(record)
        else:  # a slow mail server must not block the event loop
            threading.Thread(target=self._mail, args=[record], daemon=True).start()

    def _mail(self, record: logging.LogRecord) -> None:
        """Ignores errors of the mail server, which must not fail the logging code."""
        try:
            super().emit(record)
        except Exception as error:
            log.warning("A failure could not be mailed (%s).", type(error).__name__)

    def send_mail(self, subject: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        super().send_mail(redact(subject), redact(message), *args, **kwargs)


def may_mail(failure: str) -> bool:
    """Returns whether this failure was not mailed within an hour, by Redis, or by a local folder during an outage."""
    from redis.exceptions import RedisError

    name = hashlib.sha256(failure.encode(errors="replace")).hexdigest()[:32]
    try:
        from transcription import redis

        return bool(redis.connection().set(f"portal:mailed:{name}", 1, nx=True, ex=BETWEEN_MAILS_SECONDS))
    except (RedisError, AppRegistryNotReady):
        return _is_first_on_host(settings.RUN_DIR / "mailed" / name)


def _is_first_on_host(mark: Path) -> bool:
    """Returns whether no process of this host mailed it; False if the mark can't be written."""
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        if mark.exists() and time.time() - mark.stat().st_mtime > BETWEEN_MAILS_SECONDS:
            mark.unlink(missing_ok=True)
        mark.touch(exist_ok=False)
    except OSError:
        return False
    return True


def _failure(record: logging.LogRecord) -> str:
    """Returns what identifies a failure: the exception's class, and the last line of our code in the traceback."""
    assert record.exc_info
    kind, _error, tb = record.exc_info
    frames = traceback.extract_tb(tb)
    ours = [frame for frame in frames if _is_ours(frame.filename)] or frames[-1:]
    place = f"{ours[-1].filename}:{ours[-1].lineno}" if ours else f"{record.pathname}:{record.lineno}"
    return f"{kind and kind.__qualname__} {place}"


def _is_ours(file_name: str) -> bool:
    return file_name.startswith(f"{settings.BASE_DIR}/") and "site-packages" not in file_name


def log_uncaught() -> None:
    """Logs exceptions that end a process or a thread, so that they are redacted and mailed."""
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, tb)
        return
    log.critical("%s was not caught", kind.__name__, exc_info=(kind, error, tb))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    name = args.thread.name if args.thread else "A thread"
    log.critical("%s ended with %s", name, args.exc_type.__name__, exc_info=args.exc_value)
