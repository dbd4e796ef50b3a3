"""Parses and validates URLs that users enter, with strict rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from django.utils.translation import gettext as _
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from transcription.outbound import networks
from transcription.outbound.errors import OutboundError
from transcription.outbound.networks import Address

WEB_PORTS = {"http": 80, "https": 443}
MAIL_PORTS = {"imap": 143, "imaps": 993}
PORTS = WEB_PORTS | MAIL_PORTS
FIRST_FREE_PORT = 1024
NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")

DOWNLOADS, WEBHOOKS, SIGN_IN, BUCKETS, MAIL = "downloads", "webhooks", "sign-in", "buckets", "mail"
LONGEST_URL = {DOWNLOADS: 2000, WEBHOOKS: 2000, SIGN_IN: 2000, BUCKETS: 6000, MAIL: 500}
"""Those to buckets are made here: a key has up to 1,024 bytes, each of which may take three characters."""


@dataclass(frozen=True)
class Target:
    """The target of a request. `host` is ASCII, `literal` its address if it is one, and `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def parse_target(url: str, purpose: str) -> Target:
    """Parses a URL without resolving its host, for one of the purposes above. Raises OutboundError."""
    if len(url) > LONGEST_URL[purpose]:
        raise _refused(_("The URL is longer than %(n)d characters.") % {"n": LONGEST_URL[purpose]})
    if UNPRINTABLE.search(url):
        raise _refused(_("The URL has spaces, backslashes or control characters. Percent-encode them."))
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise _refused(_("This is not a URL.")) from None
    scheme = _scheme(parts.scheme, purpose)
    if parts.auth is not None:
        raise _refused(_("The URL carries a user name or a password. Leave them out."))
    host = (parts.host or "").removeprefix("[").removesuffix("]").lower()
    port = PORTS[scheme] if parts.port is None else parts.port
    usual = (MAIL_PORTS if purpose == MAIL else WEB_PORTS).values()
    if port not in usual and port < FIRST_FREE_PORT:
        message = _("Port %(port)d is not allowed. Use %(usual)s, or a port from 1024 on.")
        raise _refused(message % {"port": port, "usual": ", ".join(map(str, usual))})
    return Target(scheme, host, port, parts.request_uri, _literal(host))


def _scheme(scheme: str | None, purpose: str) -> str:
    if purpose == MAIL:
        if scheme in MAIL_PORTS:
            return str(scheme)
        raise _refused(_("The address must begin with imaps://, or with imap:// where the server uses STARTTLS."))
    if scheme == "https" or (scheme == "http" and purpose in settings.OUTBOUND_PLAIN_HTTP):
        return scheme
    if purpose in settings.OUTBOUND_PLAIN_HTTP:
        raise _refused(_("The URL must begin with https:// or http://."))
    raise _refused(_("The URL must begin with https://."))


def _literal(host: str) -> Address | None:
    """Returns the host's address, None for a name. Raises OutboundError for octal and short forms such as 127.1."""
    try:
        address = ip_address(host)
    except ValueError:
        if NUMBER.fullmatch(host):
            message = _("The host must be a name, or an address as in 203.0.113.7: all four numbers, as decimals.")
            raise _refused(message) from None
        if not NAME.fullmatch(host):
            raise _refused(_("The URL names no host.")) from None
        return None
    if not networks.is_allowed(address):
        raise OutboundError("refused_address", _("This address is not on the public internet."))
    return address


def _refused(message: str) -> OutboundError:
    return OutboundError("refused_url", message)
