"""Refuses settings that are safe on one machine only, where other machines reach the portal."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

KEY_LENGTH, KEY_CHARACTERS = 32, 8
"""Of a SECRET_KEY: fewer characters, or fewer different ones, can be guessed."""
PLACEHOLDER = "django-insecure-"


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach what listens on `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def require_safe_settings(
    *, host: str, url: str, debug: bool, allowed_hosts: list[str], secret_key: str, plain_http: bool
) -> None:
    """Raises ImproperlyConfigured, which names all that is unsafe. `secret_key` is empty where we made it ourselves."""
    try:
        address = urlsplit(url)
        named = address.hostname or ""
    except ValueError as error:
        raise ImproperlyConfigured(f"PORTAL_URL is {url!r}, which is no address: {error}.") from None
    problems = []
    if not is_loopback(named) or not is_loopback(host):
        if address.scheme != "https" and not plain_http:
            problems.append(
                f"PORTAL_URL is {url}: passwords, keys and recordings would travel unencrypted. Put a proxy with HTTPS "
                "in front and begin it with https://, or set PLAIN_HTTP=yes where you trust the network."
            )
        if debug:
            problems.append("DEBUG shows settings and code to everybody. Leave it out.")
        if "*" in allowed_hosts:
            problems.append("ALLOWED_HOSTS is *: links could be made to lead elsewhere. Name the portal's hosts.")
        is_short = len(secret_key) < KEY_LENGTH or len(set(secret_key)) < KEY_CHARACTERS
        if secret_key and (is_short or secret_key.startswith(PLACEHOLDER)):
            problems.append("SECRET_KEY can be guessed. Make one with `openssl rand -base64 48`.")
    if problems:
        raise ImproperlyConfigured(
            "Other machines reach this portal, and that is not safe as it is:\n" + "\n".join(problems)
        )
