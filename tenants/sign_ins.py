"""Audit entries of sign-ins, sign-outs and refused sign-ins, in every tenant that the account belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zlib import crc32

from tenants import account_mails, audit
from tenants.access import member_actor, stranger_actor
from tenants.models import User
from tenants.session_access import memberships, reachable, signed_by_of
from tenants.throttle import Limit

GUESSES = Limit("wrong passwords that nobody is told of", 5, 3600)
GUESSES_OF_FACTORS = Limit("wrong second factors that nobody is told of", 3, 3600)
TOLD = Limit("mails about guesses", 1, 86_400)
REFUSALS_WITHIN = timedelta(hours=1)
MAX_REFUSALS = 5


def record_sign_in(user_id: int, address: str, session: Mapping[str, Any]) -> None:
    how = {"how": "provider"} if signed_by_of(session) else {}
    for member in reachable(user_id, session):
        audit.record(member_actor(member, address), "member.signed_in", member, **how)


def record_sign_out(user_id: int, address: str, session: Mapping[str, Any]) -> None:
    for member in reachable(user_id, session):
        audit.record(member_actor(member, address), "member.signed_out", member)


def record_session_end(user_id: int, address: str, ended: str) -> None:
    """Records that somebody signed out a device of theirs, which was last seen at the address `ended`."""
    for member in memberships(user_id):
        audit.record(member_actor(member, address), "member.session_ended", member, ended=ended)


def record_refusal(user: User, address: str, is_factor: bool = False) -> None:
    """Records a wrong password, or a wrong second factor, for this account, with the client's address.

    An account has at most MAX_REFUSALS entries an hour and an address one, so that guessing can't fill the log: the
    address's checksum chooses one of MAX_REFUSALS slots, which needs no counter. The person is told of more than a few.
    """
    slot = crc32(address.encode()) % MAX_REFUSALS
    for member in memberships(user.pk):
        stranger = stranger_actor(member.tenant, address)
        audit.record_once(stranger, "member.sign_in_failed", member, REFUSALS_WITHIN, slot, email=member.user.email)
    few = GUESSES_OF_FACTORS if is_factor else GUESSES
    if not few.take(str(user.pk)):
        _tell_of_guesses(user, address, "factor" if is_factor else "account")


def _tell_of_guesses(user: User, address: str, what: str) -> None:
    """Mails, and records, that somebody guesses: once a day for an account's password, and once for its factors."""
    if not TOLD.take(str(user.pk), what):
        return
    for member in memberships(user.pk):
        audit.record(stranger_actor(member.tenant, address), "member.guessed_at", member, email=user.email, what=what)
    page = "account_change_password" if what == "factor" else "mfa_index"
    account_mails.tell(user, f"{what}_guessed", page, address=address)
