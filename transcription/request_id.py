"""The id of the HTTP request that the running code serves: it stands in every log line, from the upload to the webhook.

What a request creates keeps its id, and whoever works on that later binds it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_LENGTH = 64
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Returns the bound id; empty where no request is served."""
    return _current.get()


@contextmanager
def bound(request_id: str) -> Iterator[None]:
    """Binds an id in this thread or task, and in what it starts."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


class RequestIdFilter(logging.Filter):
    """Gives each log record the attribute `request_id`: the bound id, or "-"."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current() or "-"
        return True
