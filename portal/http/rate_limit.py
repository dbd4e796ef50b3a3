"""Tells in every counted answer how many requests a minute are left.

`RateLimit-Policy` and `RateLimit` are structured fields (draft-ietf-httpapi-ratelimit-headers-10), the three
`RateLimit-…` of its earlier versions and OpenAI's `x-ratelimit-…` say the same to older clients.
"""

from __future__ import annotations

import math

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.http import request_budget
from portal.http.async_middleware import AsyncMiddleware
from tenants.rate_limit import WINDOW_SECONDS, Allowance, TooManyRequests

POLICY = "requests"


class RateLimitMiddleware(AsyncMiddleware):
    """Adds the headers to whatever a view answered, once its request was counted."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.get_response(request)
        outcome = request_budget.outcome_of(request)
        if outcome is not None:
            for name, value in headers_of(outcome).items():
                response[name] = value
        return response


def headers_of(outcome: Allowance | TooManyRequests) -> dict[str, str]:
    """Returns them by name. `t` and `RateLimit-Reset` are seconds until all requests may come again; of a refusal,
    until the next one may, as in `Retry-After`.
    """
    room = outcome.allowance if isinstance(outcome, TooManyRequests) else outcome
    full_after = math.ceil(room.full_after)
    reset = outcome.whole_seconds if isinstance(outcome, TooManyRequests) else full_after
    return {
        "RateLimit-Policy": f'"{POLICY}";q={room.limit};w={WINDOW_SECONDS:.0f}',
        "RateLimit": f'"{POLICY}";r={room.remaining};t={reset}',
        "RateLimit-Limit": str(room.limit),
        "RateLimit-Remaining": str(room.remaining),
        "RateLimit-Reset": str(reset),
        "x-ratelimit-limit-requests": str(room.limit),
        "x-ratelimit-remaining-requests": str(room.remaining),
        "x-ratelimit-reset-requests": duration(room.full_after),
    }


def duration(seconds: float) -> str:
    """Returns seconds as OpenAI writes them: `120ms`, `8.64s`, `1m0s`."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"
