"""Work outlasts a restart of the database: its writes are tried again until they are done or lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

log = logging.getLogger(__name__)
Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
PAUSE_SECONDS = 0.5


def patiently(write: Callable[Parameters, Answer], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
    """Calls `write`, again and again while the database is away, for as long as a lease lasts.

    `write` must be one that may be repeated after an answer was lost. Raises its last error.
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
