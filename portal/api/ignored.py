"""Parameters that were sent and changed nothing are named in the answer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from urllib.parse import quote

HEADER = "X-Ignored-Parameters"
LONGEST_NAME = 60
LONGEST_HEADER = 2000  # proxies give all the headers of an answer 4 KiB
PLAIN = "[]"  # besides letters, digits and `_.-~`


def headers_of(names: Iterable[str]) -> dict[str, str]:
    """Returns `X-Ignored-Parameters`, or nothing without names.

    Each name is percent-encoded where a header can't hold it; `...` stands where more were sent.
    """
    named = ", ".join(quote(name[:LONGEST_NAME], safe=PLAIN, errors="replace") for name in names)
    return {HEADER: textwrap.shorten(named, LONGEST_HEADER, placeholder=" ...")} if named else {}
