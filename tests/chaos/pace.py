"""When the next recording may be sent."""

from __future__ import annotations

import threading
import time

from tests.chaos.plan import Plan

QUEUE_LENGTH = 12
OUTAGE_SHARE = 0.15


class Pace:
    """Keeps the queue filled, but neither too long nor ahead of the kills; steady while Redis is away."""

    def __init__(self, plan: Plan) -> None:
        self._count = plan.transcriptions
        self._slack = max(3, min(QUEUE_LENGTH, plan.transcriptions // 8))
        self._steady_seconds = plan.outage / (OUTAGE_SHARE * plan.transcriptions)
        self._lock = threading.Lock()
        self._sent = 0
        self._sent_at = 0.0

    def may_send(self, share: float, is_redis_away: bool, is_needed: bool, due: int) -> bool:
        """True counts as sent. `share` of the work comes before the next kill, `is_needed` where that kill waits."""
        with self._lock:
            wanted = self._is_time() if is_redis_away else is_needed or self._is_room(share, due)
            if wanted:
                self._sent += 1
                self._sent_at = time.monotonic()
            return wanted

    def _is_time(self) -> bool:
        return time.monotonic() - self._sent_at >= self._steady_seconds

    def _is_room(self, share: float, due: int) -> bool:
        """A few are kept for the last kills."""
        is_reserve = share < 1.0 and self._sent >= self._count - self._slack
        return max(self._sent - share * self._count, due) < self._slack and not is_reserve
