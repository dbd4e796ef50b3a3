"""Which addresses may be connected to: public ones, and those that the operator allowed on purpose."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is public; outside lie mapped, translated, local, site-local and multicast addresses."""


def is_allowed(address: Address) -> bool:
    """An IPv4 address in IPv6's clothes (::ffff:10.0.0.1) is judged as what it is."""
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    if any(plain in network for network in settings.OUTBOUND_ALLOWED_NETWORKS):
        return True
    if isinstance(plain, IPv6Address) and (plain.scope_id or plain not in GLOBAL_UNICAST):
        return False
    return plain.is_global and not any(plain in network for network in _denied())


@cache
def _denied() -> tuple[Network, ...]:
    """Microsoft's list: private, shared, loopback, link-local and metadata, 6to4, Teredo, NAT64, documentation, …"""
    from AntiSSRF import IPAddressRanges  # brings all of requests along: only where an address is judged

    return tuple(ip_network(network) for network in IPAddressRanges.recommended_latest)
