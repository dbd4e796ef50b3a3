"""Who signs in and out, and who is refused, for the audit log of every tenant that the account belongs to."""

from __future__ import annotations

from datetime import timedelta
from zlib import crc32

from tenants import audit
from tenants.access import member_actor, memberships, stranger_actor

REFUSALS_WITHIN = timedelta(hours=1)
MOST_REFUSALS = 5


def signed_in(user_id: int, address: str) -> None:
    for member in memberships(user_id):
        audit.record(member_actor(member, address), "member.signed_in", member)


def signed_out(user_id: int, address: str) -> None:
    for member in memberships(user_id):
        audit.record(member_actor(member, address), "member.signed_out", member)


def refused(user_id: int, address: str) -> None:
    """Somebody gave a wrong password for this account. Who it was is not known, but from where.

    Whoever guesses can't fill the log: an account has MOST_REFUSALS entries an hour at most, and one address one of
    them, however often it tries. Addresses share these places by their checksum, so that nothing is counted.
    """
    place = crc32(address.encode()) % MOST_REFUSALS
    for member in memberships(user_id):
        stranger = stranger_actor(member.tenant, address)
        audit.record_once(stranger, "member.sign_in_failed", member, REFUSALS_WITHIN, place, email=member.user.email)
