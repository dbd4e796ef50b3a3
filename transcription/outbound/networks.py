"""The addresses that may be connected to: public ones, and those that the operator allows."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The public part of IPv6; mapped, translated, link-local, site-local and multicast addresses are outside."""


def is_allowed(address: Address) -> bool:
    """Returns whether an address is allowed; a mapped one (::ffff:10.0.0.1) counts as IPv4."""
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    if any(plain in network for network in settings.OUTBOUND_ALLOWED_NETWORKS):
        return True
    if isinstance(plain, IPv6Address) and (plain.scope_id or plain not in GLOBAL_UNICAST):
        return False
    return plain.is_global and not any(plain in network for network in _denied())


@cache
def _denied() -> tuple[Network, ...]:
    """Returns Microsoft's list: private, shared, loopback, link-local, metadata, 6to4, Teredo, NAT64, documentation…"""
    from AntiSSRF import IPAddressRanges  # imports requests, which is slow

    return tuple(ip_network(network) for network in IPAddressRanges.recommended_latest)
