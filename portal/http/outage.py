"""What tells that the database is away, and when a client may try again."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError

log = logging.getLogger(__name__)
AWAY = (OperationalError, InterfaceError)
RETRY_HEADERS = {"Retry-After": "2"}


def log_outage(error: Exception) -> None:
    log.error("The database is away: %s", str(error).strip())
