"""Audit entries of sign-ins, sign-outs and refused sign-ins, in every tenant that the account belongs to."""

from __future__ import annotations

from datetime import timedelta
from zlib import crc32

from tenants import audit
from tenants.access import member_actor, memberships, stranger_actor

REFUSALS_WITHIN = timedelta(hours=1)
MAX_REFUSALS = 5


def record_sign_in(user_id: int, address: str) -> None:
    for member in memberships(user_id):
        audit.record(member_actor(member, address), "member.signed_in", member)


def record_sign_out(user_id: int, address: str) -> None:
    for member in memberships(user_id):
        audit.record(member_actor(member, address), "member.signed_out", member)


def record_session_end(user_id: int, address: str, ended: str) -> None:
    """Records that somebody signed out a device of theirs, which was last seen at the address `ended`."""
    for member in memberships(user_id):
        audit.record(member_actor(member, address), "member.session_ended", member, ended=ended)


def record_refusal(user_id: int, address: str) -> None:
    """Records a wrong password for this account, with the client's address.

    An account has at most MAX_REFUSALS entries an hour and an address one, so that guessing can't fill the log: the
    address's checksum chooses one of MAX_REFUSALS slots, which needs no counter.
    """
    slot = crc32(address.encode()) % MAX_REFUSALS
    for member in memberships(user_id):
        stranger = stranger_actor(member.tenant, address)
        audit.record_once(stranger, "member.sign_in_failed", member, REFUSALS_WITHIN, slot, email=member.user.email)
