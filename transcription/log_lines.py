"""Log records as lines of JSON, for what collects the lines of many processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger


class JsonFormatter(ProcessorFormatter):
    """Writes one object a line: time, level, logger, request_id, process, message, and exception where there is one.

    clean: what each text goes through.
    """

    def __init__(self, clean: Callable[[str], str] = str) -> None:
        def cleaned(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
            return {name: clean(value) if isinstance(value, str) else value for name, value in event.items()}

        without_record = ProcessorFormatter.remove_processors_meta
        render = JSONRenderer(ensure_ascii=False, default=str)
        super().__init__(processors=[format_exc_info, _fields, without_record, cleaned, render])


def _fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record, message = event["_record"], event.pop("event")
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "request_id": getattr(record, "request_id", "-"),
        "process": record.process,
        "message": message,
        **event,
    }
