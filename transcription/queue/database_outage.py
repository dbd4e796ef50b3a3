"""Lets work outlast a restart of the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

log = logging.getLogger(__name__)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
PAUSE_SECONDS = 0.5


def retry_through_outage(
    write: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Calls `write` until the database answers, for as long as a lease lasts.

    `write` must be safe to repeat after an answer was lost. Raises its last error.
    """
    deadline = time.monotonic() + settings.LEASE_SECONDS
    while True:
        try:
            return write(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("The database is away (%s); trying again.", str(error).strip().splitlines()[0])
            connections.close_all()
            time.sleep(PAUSE_SECONDS)
