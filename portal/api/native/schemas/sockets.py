"""Ways into a WebSocket."""

from __future__ import annotations

from typing import TypedDict


class TicketBody(TypedDict):
    """Opens one WebSocket, once."""

    ticket: str
    expires_at: str
