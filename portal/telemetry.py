"""What is sent to Sentry, where SENTRY_DSN names a project: exceptions without what people said, wrote or are called.

Its packages, and those of transcription.tracing, are extras: requirements/telemetry.txt.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from transcription import request_id
from transcription.redaction import HIDDEN, redact

KEPT_OF_A_REQUEST = ("method",)
LONGEST_MESSAGE = 300
ADDRESS = re.compile(r"[^\s@<>\"'(\[{]+@[^\s@<>\"',;:)\]}]+")


def require(variable: str, package: str) -> None:
    """Raises ImproperlyConfigured if the package that a variable needs isn't installed."""
    try:
        is_there = find_spec(package) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        install = "pip install --no-deps --require-hashes -r requirements/telemetry.txt"
        raise ImproperlyConfigured(f"{variable} is set, but what it needs is not installed: {install}")


def start_sentry(dsn: str) -> None:
    """Starts the SDK, which sees what is logged with an exception. Call while the settings are read."""
    require("SENTRY_DSN", "sentry_sdk")
    import sentry_sdk

    sentry_sdk.init(
        dsn,
        before_send=cleaned,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_default_pii=False,
        auto_session_tracking=False,
    )


def cleaned(event: Any, _hint: Any) -> Any:
    """Returns the event with the request id, and of the request and the messages only what may leave the house."""
    event["request"] = {name: event.get("request", {}).get(name) for name in KEPT_OF_A_REQUEST}
    for name in ("user", "extra", "breadcrumbs", "server_name"):
        event.pop(name, None)
    event["tags"] = {**event.get("tags", {}), "request_id": request_id.current() or "-"}
    for one in event.get("exception", {}).get("values", []):
        one["value"] = _first_line(one.get("value"))
    for name in ("message", "formatted"):
        if event.get("logentry", {}).get(name):
            event["logentry"][name] = _first_line(event["logentry"][name])
    event.get("logentry", {}).pop("params", None)
    return event


def _first_line(text: object) -> str:
    """Returns no more than that of a message: what follows in a database's are the values of a row."""
    return ADDRESS.sub(HIDDEN, redact(str(text or "").partition("\n")[0]))[:LONGEST_MESSAGE]
