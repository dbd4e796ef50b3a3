"""Where Redis or Valkey is: one server, or the primary that Sentinels name.

`redis+sentinel://[user:password@]host[:port],host[:port]…/primary[/database]`, with `rediss+sentinel` for TLS. After
`?` come redis-py's own options, which go before ours, and `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import Redis, Sentinel
from redis import asyncio as aio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT = 26379
SENTINEL_SECONDS = 1.0
"""How long one Sentinel is waited for before the next one is asked."""


@dataclass(frozen=True)
class RedisAddress:
    """A server at `url`; where there are `sentinels`, the one that they call `primary`, whichever that is now."""

    url: str
    sentinels: tuple[tuple[str, int], ...] = ()
    primary: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    sentinel_options: dict[str, Any] = field(default_factory=dict)

    def client(self, **options: Any) -> Redis:
        """Returns a client that does not try again by itself."""
        options["retry"] = Retry(NoBackoff(), 0)
        if not self.sentinels:
            return Redis.from_url(self.url, **options)
        sentinel = Sentinel(self.sentinels, sentinel_kwargs=self._asking(Retry(NoBackoff(), 0)))  # type: ignore[no-untyped-call]
        found: Redis = sentinel.master_for(self.primary, **{**options, **self.options})  # type: ignore[no-untyped-call]
        return found

    def async_client(self, **options: Any) -> aio.Redis:
        if not self.sentinels:
            return aio.Redis.from_url(self.url, **options)
        sentinel = aio.Sentinel(self.sentinels, sentinel_kwargs=self._asking(AsyncRetry(NoBackoff(), 0)))  # type: ignore[no-untyped-call]
        found: aio.Redis = sentinel.master_for(self.primary, **{**options, **self.options})
        return found

    def channel_host(self, **options: Any) -> dict[str, Any]:
        """Returns the server as channels_redis wants it in `hosts`."""
        if not self.sentinels:
            return {"address": self.url, **options}
        asking = self._asking(AsyncRetry(NoBackoff(), 0))
        named = {"master_name": self.primary, "sentinels": list(self.sentinels), "sentinel_kwargs": asking}
        return {**named, **options, **self.options}

    def queue(self, **options: Any) -> dict[str, Any]:
        """Returns the server as django_rq wants it in `RQ_QUEUES`."""
        if not self.sentinels:
            return {"URL": self.url, **options}
        return {
            "SENTINELS": list(self.sentinels),
            "MASTER_NAME": self.primary,
            "DB": self.options["db"],
            "SOCKET_TIMEOUT": SENTINEL_SECONDS,
            "CONNECTION_KWARGS": self.options,
            "SENTINEL_KWARGS": self._asking(Retry(NoBackoff(), 0)),
            **options,
        }

    def silent_sentinels(self) -> list[str]:
        """Returns the Sentinels that do not know the primary, or do not answer."""
        return [f"{host}:{port}" for host, port in self.sentinels if not self._is_known_to(host, port)]

    def _is_known_to(self, host: str, port: int) -> bool:
        asked = Sentinel([(host, port)], sentinel_kwargs=self._asking(Retry(NoBackoff(), 0)))  # type: ignore[no-untyped-call]
        try:
            asked.discover_master(self.primary)  # type: ignore[no-untyped-call]
        except RedisError:
            return False
        finally:
            asked.close()
        return True

    def _asking(self, retry: Retry | AsyncRetry) -> dict[str, Any]:
        timeouts = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
        return {**timeouts, "retry": retry, **self.sentinel_options}


@lru_cache(maxsize=8)
def parse(url: str) -> RedisAddress:
    """Raises ValueError where Sentinels are meant and not named, or no primary is."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return RedisAddress(url)
    login, at, hosts = parts.netloc.rpartition("@")
    primary, _slash, database = parts.path.strip("/").partition("/")
    sentinels = tuple(_place(host) for host in hosts.split(",") if host)
    if not (sentinels and primary):
        raise ValueError("Sentinels are named as in redis+sentinel://host:26379,host:26379/primary/0.")
    plain = f"{SCHEMES[parts.scheme]}://{login}{at}primary/{database or 0}?{parts.query}"
    options: dict[str, Any] = {"db": 0, **parse_url(plain)}  # type: ignore[no-untyped-call]
    asked = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    encrypted: dict[str, Any] = {"ssl": True} if options.pop("connection_class", None) else {}
    del options["host"]
    ours = {name: value for name, value in asked.items() if value is not None}
    certificates = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return RedisAddress(url, sentinels, unquote(primary), options | encrypted, ours | encrypted | certificates)


def _place(host: str) -> tuple[str, int]:
    """Raises ValueError."""
    parts = urlsplit(f"//{host}")
    return parts.hostname or "", parts.port or SENTINEL_PORT
