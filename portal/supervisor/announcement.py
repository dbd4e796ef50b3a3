"""Tells the person at the terminal where the portal is, once it serves."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from portal.supervisor import demo
from portal.supervisor.console import say

POLL_SECONDS = 0.1
SLOW_SECONDS = 10.0


def announce_when_ready(url: str, address: str, started_at: float) -> None:
    """Prints `url` once /health at `address` is well; after SLOW_SECONDS, what is still missing.

    `started_at` is a reading of time.monotonic().
    """
    told = False
    while (health := get_health(address)).get("status") != "ok":
        if not told and time.monotonic() - started_at > SLOW_SECONDS:
            problems = "; ".join(health.get("problems", [])) or "the web process does not answer yet"
            say(f"Still starting: {problems}.")
            told = True
        time.sleep(POLL_SECONDS)
    say(f"\nWhisper Portal is ready after {time.monotonic() - started_at:.1f} s.")
    say(f"  The portal:      {url}/")
    say(f"  Operators:       {url}/admin/")
    if demo.credentials_file().exists():
        say(f"  Credentials:     {demo.credentials_file()}")
        say(f"  A first request: {demo.curl_line(url)}\n")


def get_health(address: str) -> dict[str, Any]:
    """Returns the JSON of /health, or an empty dict while there is no answer."""
    try:
        with urlopen(f"{address}/health", timeout=5) as response:  # noqa: S310 - our own address
            body = response.read()
    except HTTPError as error:
        body = error.read()
    except OSError:
        return {}
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
