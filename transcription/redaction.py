"""Hides what is secret in any text that is logged, mailed, shown of an error or kept in the database.

Two kinds are known: the values in settings.SECRETS, wherever they stand, and what has the form of a secret (API keys,
tickets, sessions, addresses with a password or a query, links that set a password), whosever it is.
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

HIDDEN = "[hidden]"
LEAST_CHARACTERS = 4
SAFE_ANYWHERE = 8
"""A shorter secret is hidden only where it stands as a word of its own: "portal" is part of many names."""
ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
PASSWORD_IN_ADDRESS = re.compile(r"://[^:/?#]*:(.+)@|[?&]password=([^&]+)")
FORMS = re.compile(
    r"""
      (?P<key>\bwp_[0-9a-z]+_)[\w-]{16,}
    | (?P<token>\b(?:wst_|whsec_))[\w+/=-]{16,}
    | (?P<login>://)[^\s/@:'"<>]*:(?:[^\s@'"<>:]|:(?!//))*(?=@)
    | (?P<query>https?://(?:[^\s"'<>?:]|:(?!//))+\?)[^\s"'<>]+
    | (?P<reset>/password/reset/key/)[^\s"'<>]+
    | (?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}
    | (?P<named>\b(?:sessionid|csrftoken|csrfmiddlewaretoken|X-CSRFToken|ticket|password\d?|passwd|pwd|secret
        |(?:access|secret|api)_?key(?:_id)?|AWSAccessKeyId|Signature|X-Amz-(?:Signature|Credential|Security-Token))
        ["']?\s*[=:]\s*b?["']?)(?!/)[^\s"'&,;<>)}\]]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""No part reads past the place where the next match could begin: the time grows with the length, never faster."""


def redact(text: str, also: Iterable[str] = ()) -> str:
    """Returns `text` with HIDDEN in place of every secret; `also` are further secret values."""
    if known := _pattern((*settings.SECRETS, *also)):
        text = known.sub(HIDDEN, text)
    return FORMS.sub(lambda found: f"{found[str(found.lastgroup)]}{HIDDEN}", text)


class RedactingFormatter(logging.Formatter):
    """Redacts whole records: message, traceback and stack."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


@lru_cache(maxsize=64)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str] | None:
    secrets = {secret for value in values for secret in _secrets_in(value)}
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
    return re.compile("|".join(map(_wherever, longest_first))) if longest_first else None


def _secrets_in(value: str) -> Iterator[str]:
    """A setting's value is one secret, several with commas, or an address with a password in it."""
    if ADDRESS.match(value):
        found = [one for pair in PASSWORD_IN_ADDRESS.findall(value) for one in pair]
    else:
        found = [value, *value.split(",")]
    for one in found:
        for secret in (one.strip(), unquote(one.strip())):
            if len(secret) >= LEAST_CHARACTERS:
                yield secret


def _spellings(secret: str) -> set[str]:
    """The secret as it may stand in an address, in HTML, in JSON or in Python's repr."""
    return {
        *(secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)),
        *(json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(repr(secret)[1:-1])),
    }


def _wherever(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= SAFE_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"
