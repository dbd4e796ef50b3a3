"""Tells a person where to go, as soon as there is somewhere to go."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from portal.supervisor import demo
from portal.supervisor.console import say

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 10.0


def greet(url: str, address: str, begun: float) -> None:
    """Says where the portal is, once its /health at `address` is well; why it isn't, where that takes long."""
    health, told = ask(address), False
    while health.get("status") != "ok":
        if not told and time.monotonic() - begun > PATIENCE_SECONDS:
            problems = "; ".join(health.get("problems", [])) or "the web process does not answer yet"
            say(f"Still starting: {problems}.")
            told = True
        time.sleep(POLL_SECONDS)
        health = ask(address)
    say(f"\nWhisper Portal is ready after {time.monotonic() - begun:.1f} s.")
    say(f"  The portal:      {url}/")
    say(f"  Operators:       {url}/admin/")
    if demo.credentials_file().exists():
        say(f"  Credentials:     {demo.credentials_file()}")
        say(f"  A first request: {demo.curl_line(url)}\n")


def ask(address: str) -> dict[str, Any]:
    """What /health says; empty while nobody answers."""
    try:
        with urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310 - our own address
            body = answer.read()
    except HTTPError as error:
        body = error.read()
    except (URLError, OSError):
        return {}
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
