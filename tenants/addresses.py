"""Addresses of clients, and networks of them, each written in one way only: IPv4 never as mapped IPv6.

A client's address is the one that the server gives us: that of the connection or, where the connection is that of
a proxy named in FORWARDED_ALLOW_IPS, the one that the proxy says. Headers are never read here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from django.http import HttpRequest

MAPPED_BITS = 96
SITE_BITS = 64


def of_request(request: HttpRequest) -> str:
    """Empty where the server knows none, as with a Unix socket."""
    return normal(request.META.get("REMOTE_ADDR") or "")


def of_scope(scope: Mapping[str, Any]) -> str:
    """The same of an ASGI scope."""
    client = scope.get("client")
    return normal(client[0]) if client else ""


def normal(text: str) -> str:
    """The address as it is compared and kept; empty for what is none."""
    found = _address(text)
    return str(found) if found else ""


def site_of(address: str) -> str:
    """Whom tries are counted for: an IPv4 address, or the /64 of an IPv6 one, of which a client has them all."""
    found = _address(address)
    return network(f"{found}/{SITE_BITS}") if isinstance(found, IPv6Address) else address


def network(text: str) -> str:
    """An address or a network as it is kept: `203.0.113.9`, `2001:db8::/32`. Raises ValueError."""
    found: IPv4Network | IPv6Network = ipaddress.ip_network(text.strip(), strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= MAPPED_BITS and found.network_address.ipv4_mapped:
        found = IPv4Network((found.network_address.ipv4_mapped, found.prefixlen - MAPPED_BITS))
    return str(found.network_address if found.num_addresses == 1 else found)


def cover(networks: Iterable[str], address: str) -> bool:
    """Whether an address is in one of the networks; an unknown one is in none."""
    found = _address(address)
    return found is not None and any(found in ipaddress.ip_network(one) for one in networks)


def contain(outer: Iterable[str], inner: Iterable[str]) -> bool:
    """Whether every network of `inner` lies within one of `outer`."""
    around = [ipaddress.ip_network(one) for one in outer]
    return all(any(_lies_in(ipaddress.ip_network(one), other) for other in around) for one in inner)


def _lies_in(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
