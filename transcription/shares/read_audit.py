"""Audit entries of what the holders of links are given."""

from __future__ import annotations

from tenants import audit
from tenants.access import stranger_actor
from transcription.shares.models import Share
from transcription.shares.visitors import LATELY, visitor_of


def opened(share: Share, address: str) -> None:
    _once(share, address, "share.opened", "")


def exported(share: Share, address: str, format: str) -> None:
    """Records that the text, or the sound, was downloaded."""
    _once(share, address, "share.exported", format, format=format)


def _once(share: Share, address: str, action: str, kind: str, **details: str) -> None:
    """A visitor's openings, and downloads of one kind, are one entry within LATELY: a file is asked for in pieces.

    The visitor stands there as a digest, and no address.
    """
    visitor = visitor_of(share, address)
    slot = int.from_bytes(f"{visitor}{kind}".encode(), "big")
    details |= {"recording": str(share.recording_id), "visitor": visitor}
    audit.record_once(stranger_actor(share.tenant), action, share, LATELY, slot, **details)
