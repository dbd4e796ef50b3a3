"""Checks in the background whether the object storage is available, at most every few seconds."""

from __future__ import annotations

import logging
import time
from threading import Event, Lock, Thread
from typing import Any

from django.core.files.storage import storages

from transcription.media import storage
from transcription.media.storage import StorageUnavailable

log = logging.getLogger(__name__)
CHECK_SECONDS = 5.0
WAIT_SECONDS = 0.5


class Check:
    """The last result for one storage. Callers wait up to WAIT_SECONDS for a new one, then get the last."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self._guard, self._answered = Lock(), Event()
        self._asking: Thread | None = None
        self._is_away, self._asked_at = False, float("-inf")

    def is_away(self) -> bool:
        with self._guard:
            is_old = time.monotonic() - self._asked_at > CHECK_SECONDS
            if is_old and not (self._asking and self._asking.is_alive()):
                self._asked_at = time.monotonic()
                self._answered.clear()
                self._asking = Thread(target=self._ask, name="storage check", daemon=True)
                self._asking.start()
        self._answered.wait(WAIT_SECONDS)
        return self._is_away

    def _ask(self) -> None:
        """Ends within CHECK_SECONDS unless a name server hangs; then the last result stays."""
        try:
            storage.check_bucket()
            self._is_away = False
        except StorageUnavailable:
            self._is_away = True
        except Exception:
            log.exception("The object storage could not be checked")
            self._is_away = True
        finally:
            self._answered.set()


_check: Check | None = None


def is_away() -> bool:
    """Returns the result of the last few seconds, within WAIT_SECONDS; False for a local folder."""
    global _check
    if storage.is_local():
        return False
    if _check is None or _check.store is not storages["default"]:
        _check = Check(storages["default"])
    return _check.is_away()
