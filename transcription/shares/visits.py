"""What the holder of a link may do, without an account. Nothing here asks who else the visitor is.

A link that asks first (for a password, or since openings are counted) is opened by a person's deed, so that programs
that look at links in mails and chats use nothing up. Who has opened it has a proof of it, and comes in again.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from django.contrib.auth.hashers import check_password
from django.core import signing
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from tenants import addresses, scope
from tenants.throttle import Limit
from transcription.shares import read_audit, visitors
from transcription.shares.models import Share, open_ones
from transcription.shares.secrets import digest_of

PROOF_LASTS = timedelta(hours=12)
GUESSES = Limit("passwords of a link from an address", 10, 600)
ALL_GUESSES = Limit("passwords of a link", 200, 3600)
READINGS = Limit("texts of a link from an address", 300, 60)
LOOKS = Limit("questions of a link's open pages from an address", 1200, 60)
WRITINGS = Limit("what an address writes by a link", 60, 600)
ALL_WRITINGS = Limit("what is written by a link", 100, 600)
DOWNLOADS = Limit("files of a link from an address", 60, 600)


class TooManyGuesses(Exception):
    """Passwords were tried too often: a right one is not looked at now."""


def find(secret: str) -> Share | None:
    """Returns the link of a secret, with its recording and tenant; None if it is unknown or does not work.

    One that is used up is returned, too: who has opened it may stay.
    """
    with scope.across_tenants("the link says which tenant"):
        rows = Share.objects.filter(open_ones(), digest=digest_of(secret))
        return rows.select_related("tenant", "recording__folder").first()


def check(share: Share, password: str, address: str) -> bool:
    """Returns whether a password is right. Raises TooManyGuesses; only wrong ones are counted."""
    if not share.password:
        return True
    subject = str(share.id), addresses.site_of(address)
    if not GUESSES.take(*subject):
        raise TooManyGuesses
    if not ALL_GUESSES.take(str(share.id)):
        GUESSES.give_back(*subject)
        raise TooManyGuesses
    is_right = check_password(password, share.password)
    if is_right:
        GUESSES.give_back(*subject)
        ALL_GUESSES.give_back(str(share.id))
    return is_right


def open_link(share: Share, address: str) -> bool:
    """Counts an opening of a link that `find` has returned; returns False if it was revoked since, or none is left.

    One statement checks and counts, on the link's own columns: of several who come at once one is the last.
    """
    left = Q(most_openings=None) | Q(openings__lt=F("most_openings"))
    with scope.bound(share.tenant_id), transaction.atomic():
        rows = Share.objects.filter(left, id=share.id, revoked_at=None)
        if not rows.update(openings=F("openings") + 1, last_opened_at=timezone.now()):
            return False
        visitors.note(share, address)
        read_audit.opened(share, address)
    return True


def note_reading(share: Share, address: str) -> None:
    """Counts an opening of a link that does not ask first, where its text or sound is had without its page."""
    if not share.asks_first and not visitors.came_lately(share, address):
        open_link(share, address)


def takes(limit: Limit, share: Share, address: str) -> bool:
    """Counts a request of an address; returns False if there were too many."""
    return limit.take(str(share.id), addresses.site_of(address))


def takes_of_all(share: Share) -> bool:
    """Counts what is written by a link, from wherever; returns False if it was too much."""
    return ALL_WRITINGS.take(str(share.id))


def proof_of(share: Share) -> str:
    """Returns what says that its bearer opened the link, for PROOF_LASTS."""
    return _signer(share).sign(str(share.id))


def is_proof(share: Share, proof: str) -> bool:
    try:
        return hmac.compare_digest(_signer(share).unsign(proof, PROOF_LASTS), str(share.id))
    except signing.BadSignature:
        return False


def _signer(share: Share) -> signing.TimestampSigner:
    """A proof is of one link with its password."""
    return signing.TimestampSigner(salt=f"transcription.shares.{share.digest}.{share.password}")
