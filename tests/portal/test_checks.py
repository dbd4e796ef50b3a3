from collections.abc import Iterator

import pytest

from portal.checks import redis_evicts_nothing
from transcription import redis


@pytest.fixture
def evicting() -> Iterator[None]:
    redis.connection().config_set("maxmemory-policy", "allkeys-lru")
    yield
    redis.connection().config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_evicts_is_an_error(evicting: None) -> None:
    assert [message.id for message in redis_evicts_nothing()] == ["portal.E001"]


def test_the_embedded_one_evicts_nothing() -> None:
    assert redis_evicts_nothing() == []
