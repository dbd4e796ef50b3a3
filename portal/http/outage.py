"""What tells that the database is away, and when a client may try again."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

AWAY = (OperationalError, InterfaceError)
RETRY_HEADERS = {"Retry-After": "2"}
