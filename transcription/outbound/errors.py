from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class OutboundError(Exception):
    """An exchange failed. `message` tells people why and what to do.

    `code`: refused_url, refused_address, no_public_address, unreachable, tls, timeout, too_slow, too_large,
    too_many_redirects, broken, status, no_room; of mailboxes also login, mailbox, unreadable, gone.
    `status` is the HTTP status if there was one, `retry_after` the seconds of the response's Retry-After.
    """

    code: str
    message: str
    may_succeed_later: bool = False
    status: int | None = None
    retry_after: int = 0

    def __str__(self) -> str:
        return self.message
