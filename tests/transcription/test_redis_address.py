"""Redis by way of Sentinel: a primary dies, and its replica is written to."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django_rq.connection_utils
import pytest
from redis import Redis, RedisError
from redis import asyncio as aio

from portal.channel_layer import CancellableRedisChannelLayer
from tests.hosts.valkey import sentinel, server
from tests.stack import free_port
from transcription import redis_address
from transcription.live import passes
from transcription.redaction import redact

PASSWORD = "a/b@c:d, e"
QUOTED = "a%2Fb%40c%3Ad%2C%20e"
PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Pair:
    """A primary and its replica, and the Sentinel that watches them; one that is not there stands before it."""

    address: redis_address.RedisAddress
    primary: subprocess.Popen[bytes]
    replica: Redis


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    ports = [free_port() for _ in range(4)]
    commands = [
        server(tmp_path / "primary", "127.0.0.1", ports[0], password=PASSWORD),
        server(tmp_path / "replica", "127.0.0.1", ports[1], "127.0.0.1", ports[0], password=PASSWORD),
        sentinel(tmp_path / "sentinel", "127.0.0.1", ports[2], "127.0.0.1", ports[0], 1, password=PASSWORD),
    ]
    with ExitStack() as running:
        started = []
        for command in commands:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            running.callback(process.wait, 10)
            running.callback(process.kill)
            started.append(process)
        url = f"redis+sentinel://:{QUOTED}@127.0.0.1:{ports[3]},127.0.0.1:{ports[2]}/portal/2"
        replica = Redis(port=ports[1], password=PASSWORD)
        patiently(lambda: replica.info("replication")["master_link_status"] == "up")
        found = Pair(redis_address.parse(url), started[0], replica)
        patiently(lambda: found.address.silent_sentinels() == [f"127.0.0.1:{ports[3]}"])
        asked = Redis(port=ports[2])
        patiently(lambda: asked.sentinel_slaves("portal"))
        yield found


def patiently(succeeds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if succeeds():
                return
        except RedisError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_every_client_goes_on_with_the_replica_when_the_primary_dies(pair: Pair) -> None:
    client = pair.address.client(socket_timeout=1.0)
    queue = django_rq.connection_utils.get_redis_connection(pair.address.queue())
    live = pair.address.async_client(socket_connect_timeout=1.0)
    layer = CancellableRedisChannelLayer(hosts=[pair.address.channel_host(socket_timeout=15)])
    for asked in (client, queue):
        asked.set("before", 1)
    await live.set("before", 1)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "before"})
    assert (await layer.receive(channel))["type"] == "before"

    pair.primary.kill()
    pair.primary.wait()
    for asked in (client, queue):
        patiently(lambda asked=asked: asked.set("after", 1))
    await asyncio.wait_for(_told(layer, channel), PATIENCE_SECONDS)
    await asyncio.wait_for(_written(live), PATIENCE_SECONDS)
    assert Redis(connection_pool=pair.replica.connection_pool).info("replication")["role"] == "master"
    await layer.close_pools()
    await live.aclose()


async def _written(live: aio.Redis) -> None:
    while True:
        try:
            await live.set("after", 2)
        except RedisError:
            await asyncio.sleep(0.05)
        else:
            return


async def _told(layer: CancellableRedisChannelLayer, channel: str) -> None:
    """A message that meets the old connection is lost, as is any that comes while Redis is away."""
    while True:
        try:
            await layer.send(channel, {"type": "after"})
            while (await layer.receive(channel))["type"] != "after":
                pass  # what was received before its removal was replicated comes once more
        except RedisError:
            await asyncio.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("scheme", ["rediss://one/0", "rediss+sentinel://one/main"])
def test_the_options_of_an_address_go_before_ours(scheme: str) -> None:
    found = redis_address.parse(f"{scheme}?socket_timeout=3")
    for client in (found.client(socket_timeout=1.0), found.async_client(socket_timeout=1.0)):
        assert client.connection_pool.connection_kwargs["socket_timeout"] == 3


def test_a_live_pass_is_waited_for_as_long_as_it_may_take() -> None:
    asked = passes.PassQueue()._redis.connection_pool.connection_kwargs
    assert asked["socket_timeout"] > passes.PASS_SECONDS


def test_sentinels_and_servers_have_their_own_passwords() -> None:
    url = f"rediss+sentinel://portal:{QUOTED}@one,two:5000/main?sentinel_password=other&ssl_cert_reqs=none"
    found = redis_address.parse(url)
    assert found.sentinels == (("one", 26379), ("two", 5000))
    assert found.options == {"db": 0, "username": "portal", "password": PASSWORD, "ssl": True, "ssl_cert_reqs": "none"}
    assert found.sentinel_options == {"password": "other", "ssl": True, "ssl_cert_reqs": "none"}
    assert "other" not in redact(f"could not connect to {url}")


@pytest.mark.parametrize("url", ["redis+sentinel://one,two", "redis+sentinel:///main", "redis+sentinel://one:x/main"])
def test_an_address_without_sentinels_or_primary_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        redis_address.parse(url)
