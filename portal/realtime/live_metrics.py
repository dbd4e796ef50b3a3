"""Counts live sessions and how far their text is behind, for /metrics: all web processes of a host together."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
CODES = frozenset(
    {
        "invalid_api_key",
        "insufficient_permissions",
        "rate_limit_exceeded",
        "insufficient_quota",
        "unavailable",
        "maintenance",
        "suspension_announced",
        "session_expired",
        "model_not_found",
        "model_unavailable",
    }
)
"""Why sessions are refused, or ended by us; what is none of them counts as `other`."""

sessions = Gauge("portal_live_sessions_open", "Live sessions that are open.", multiprocess_mode="livesum")
behind = Histogram(
    "portal_live_seconds_behind", "Sound of a live session that is not heard yet, after each pass.", buckets=BUCKETS
)
passes = Counter("portal_live_passes", "Passes over the sound of live sessions.", ["result"])
refused = Counter("portal_live_refused", "Live sessions that were refused, or ended by us.", ["code"])


def count_refusal(code: str) -> None:
    refused.labels(code if code in CODES else "other").inc()
