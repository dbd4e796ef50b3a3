"""Who opened a link, as far as that is kept: a digest of an address, when, and how often."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from tenants import addresses
from transcription.shares.models import Share, Visitor

MOST = 10_000
LATELY = timedelta(hours=1)
SHOWN = 100


def visitor_of(share: Share, address: str) -> str:
    """Returns what a client address is called in the list of a link's visitors: another one for each link."""
    salt = f"transcription.shares.{share.id}"
    return salted_hmac(salt, addresses.site_of(address), algorithm="sha256").hexdigest()[:16]


def note(share: Share, address: str) -> None:
    """Counts an opening of an address; of a link that MOST have opened, further ones only as openings."""
    now, who = timezone.now(), visitor_of(share, address)
    visitors = Visitor.objects.filter(share=share)
    if visitors.filter(digest=who).update(openings=F("openings") + 1, last_at=now) or visitors.count() >= MOST:
        return
    row = Visitor(tenant_id=share.tenant_id, share=share, digest=who, first_at=now, last_at=now)
    Visitor.objects.bulk_create([row], ignore_conflicts=True)


def came_lately(share: Share, address: str) -> bool:
    """Returns whether an opening of an address was counted within LATELY; of a link with MOST visitors, always True."""
    visitors = Visitor.objects.filter(share=share)
    seen = visitors.filter(digest=visitor_of(share, address), last_at__gt=timezone.now() - LATELY)
    return seen.exists() or visitors.count() >= MOST


def last_of(share: Share) -> list[Visitor]:
    """Returns those who opened a link last, SHOWN at most."""
    return list(Visitor.objects.filter(share=share)[:SHOWN])
