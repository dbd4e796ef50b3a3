"""Client addresses and networks in their canonical form: IPv4 is never written as mapped IPv6.

The server determines a client's address: the connection's or, behind a proxy that FORWARDED_ALLOW_IPS names, the one
that the proxy forwards. This module never reads headers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

MAPPED_BITS = 96
SITE_BITS = 64


class InvalidNetwork(ValueError):
    """The text is neither an address nor a network; the message says so."""

    def __init__(self, text: str) -> None:
        super().__init__(
            _("“%(text)s” is not an IP address or a network such as 203.0.113.0/24.") % {"text": text[:60]}
        )


def of_request(request: HttpRequest) -> str:
    """Returns the client's address; empty if the server knows none, as with a Unix socket."""
    return normal(request.META.get("REMOTE_ADDR") or "")


def of_scope(scope: Mapping[str, Any]) -> str:
    """Returns the client's address of an ASGI scope; empty if there is none."""
    client = scope.get("client")
    return normal(client[0]) if client else ""


def normal(text: str) -> str:
    """Returns the canonical form of an address; empty if `text` is not an address."""
    parsed = _address(text)
    return str(parsed) if parsed else ""


def site_of(address: str) -> str:
    """Returns what attempts are counted by: an IPv4 address, or the /64 of an IPv6 one, usually one client's."""
    parsed = _address(address)
    return network(f"{parsed}/{SITE_BITS}") if isinstance(parsed, IPv6Address) else address


def network(text: str) -> str:
    """Returns the canonical form of an address or a network: `203.0.113.9`, `2001:db8::/32`. Raises ValueError."""
    parsed: IPv4Network | IPv6Network = ipaddress.ip_network(text.strip(), strict=False)
    if isinstance(parsed, IPv6Network) and parsed.prefixlen >= MAPPED_BITS and parsed.network_address.ipv4_mapped:
        parsed = IPv4Network((parsed.network_address.ipv4_mapped, parsed.prefixlen - MAPPED_BITS))
    return str(parsed.network_address if parsed.num_addresses == 1 else parsed)


def networks_of(texts: Iterable[str]) -> list[str]:
    """Returns networks in their canonical form, each once, in the given order. Raises InvalidNetwork."""
    unique = dict[str, None]()
    for text in texts:
        try:
            unique[network(text)] = None
        except ValueError:
            raise InvalidNetwork(text) from None
    return list(unique)


def cover(networks: Iterable[str], address: str) -> bool:
    """Returns whether an address is in one of the networks; an unknown address is in none."""
    parsed = _address(address)
    return parsed is not None and any(parsed in ipaddress.ip_network(network) for network in networks)


def contain(outer: Iterable[str], inner: Iterable[str]) -> bool:
    """Returns whether every network of `inner` is a subnet of one of `outer`."""
    outer_networks = [ipaddress.ip_network(text) for text in outer]
    return all(any(_is_subnet(ipaddress.ip_network(text), other) for other in outer_networks) for text in inner)


def _is_subnet(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed
