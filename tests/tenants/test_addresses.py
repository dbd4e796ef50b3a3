"""One address, one spelling; and which of them a list lets in."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from tenants import addresses


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("localhost", ""),
        ("203.0.113.9:443", ""),
        ("0203.0.113.9", ""),
    ],
)
def test_an_address_is_written_in_one_way(given: str, kept: str) -> None:
    assert addresses.normal(given) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9/24 ", "203.0.113.0/24"),
        ("203.0.113.9/32", "203.0.113.9"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_kept_in_one_way(given: str, kept: str) -> None:
    assert addresses.network(given) == kept


@pytest.mark.parametrize("given", ["", "example.com", "203.0.113.0/33", "203.0.113", "*", "1.2.3.4-1.2.3.9"])
def test_what_is_no_network_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        addresses.network(given)


@pytest.mark.parametrize(
    ("networks", "address", "is_in"),
    [
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["203.0.113.0/24"], "2001:db8::1", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["::/0"], "203.0.113.9", False),
        (["203.0.113.9", "2001:db8::/32"], "2001:db8:1::1", True),
        (["0.0.0.0/0"], "", False),
    ],
)
def test_a_list_lets_in_what_it_says(networks: list[str], address: str, is_in: bool) -> None:
    assert addresses.cover(networks, address) is is_in


def test_one_list_lies_within_another() -> None:
    outer = ["203.0.113.0/24", "2001:db8::/32"]
    assert addresses.contain(outer, ["203.0.113.128/25", "2001:db8::1"])
    assert not addresses.contain(outer, ["203.0.113.128/25", "203.0.0.0/16"])
    assert not addresses.contain(["::/0"], ["203.0.113.9"])


def test_what_a_stranger_claims_in_a_header_is_not_an_address() -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "::1"}
    request = RequestFactory().get("/", headers=claims, REMOTE_ADDR="198.51.100.7")
    assert addresses.of_request(request) == "198.51.100.7"
    headers = [(b"x-forwarded-for", b"203.0.113.9")]
    assert addresses.of_scope({"client": ("198.51.100.7", 4711), "headers": headers}) == "198.51.100.7"
    assert addresses.of_scope({"client": None, "headers": headers}) == ""
