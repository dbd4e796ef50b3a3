"""Redacts secrets in texts that are logged, mailed, shown in errors or stored.

Two kinds are redacted: the values of settings.SECRETS, and strings with the form of a secret (API keys, tickets,
sessions, URLs with a password or a query, links that set a password or show a recording).
"""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

from django.conf import settings

from transcription.log_lines import JsonFormatter

HIDDEN = "[hidden]"
LEAST_CHARACTERS = 4
SAFE_ANYWHERE = 8
"""A shorter secret is redacted only as a whole word: "portal" is part of many names."""
ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
PASSWORD_IN_ADDRESS = re.compile(r"://[^:/?#]*:(.+)@|[?&](?:sentinel_)?password=([^&]+)")
FORMS = re.compile(
    r"""
      (?P<key>\bwp_[0-9a-z]+_)[\w-]{16,}
    | (?P<token>\b(?:wst_|whsec_))[\w+/=-]{16,}
    | (?P<login>://)[^\s/@:'"<>]*:(?:[^\s@'"<>:]|:(?!//))*(?=@)
    | (?P<query>https?://(?:[^\s"'<>?:]|:(?!//))+\?)[^\s"'<>]+
    | (?P<reset>/password/reset/key/)[^\s"'<>]+
    | (?P<share>/s/)[\w-]{24,}
    | (?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}
    | (?P<named>\b(?:sessionid|csrftoken|csrfmiddlewaretoken|X-CSRFToken|ticket|(?:sentinel_)?password\d?|passwd
        |pwd|secret|(?:access|secret|api)_?key(?:_id)?|AWSAccessKeyId|Signature|X-Amz-(?:Signature|Credential|Security-Token))
        ["']?\s*[=:]\s*b?["']?)(?!/)[^\s"'&,;<>)}\]]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""No alternative reads past the start of the next possible match, so the time is linear in the length."""


def redact(text: str, also: Iterable[str] = ()) -> str:
    """Returns `text` with HIDDEN in place of every secret; `also` are further secret values."""
    if known := _pattern((*settings.SECRETS, *also)):
        text = known.sub(HIDDEN, text)
    return FORMS.sub(lambda found: f"{found[str(found.lastgroup)]}{HIDDEN}", text)


class RedactingFormatter(logging.Formatter):
    """Redacts whole records: message, traceback and stack."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class RedactingJsonFormatter(JsonFormatter):
    """Redacts each field of a record's line of JSON."""

    def __init__(self) -> None:
        super().__init__(redact)


@lru_cache(maxsize=64)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str] | None:
    secrets = {secret for value in values for secret in _secrets_in(value)}
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
    return re.compile("|".join(map(_as_pattern, longest_first))) if longest_first else None


def _secrets_in(value: str) -> Iterator[str]:
    """Yields the secrets of a setting: its value, a comma-separated list, or the password in a URL."""
    if ADDRESS.match(value):
        candidates = [group for pair in PASSWORD_IN_ADDRESS.findall(value) for group in pair]
    else:
        candidates = [value, *value.split(",")]
    for candidate in candidates:
        for secret in (candidate.strip(), unquote(candidate.strip())):
            if len(secret) >= LEAST_CHARACTERS:
                yield secret


def _spellings(secret: str) -> set[str]:
    """Returns the secret as encoded in URLs, HTML, JSON and Python's repr."""
    return {
        *(secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)),
        *(json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(repr(secret)[1:-1])),
    }


def _as_pattern(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= SAFE_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"
