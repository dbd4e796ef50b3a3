from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from portal.checks import models_can_be_offered, redis_evicts_nothing
from transcription import redis


@pytest.fixture
def evicting() -> Iterator[None]:
    redis.connection().config_set("maxmemory-policy", "allkeys-lru")
    yield
    redis.connection().config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_evicts_is_an_error(evicting: None) -> None:
    assert [message.id for message in redis_evicts_nothing()] == ["portal.E001"]


@pytest.mark.parametrize("command", ["sweeper", "gpuworker"])
def test_with_a_redis_that_evicts_nothing_is_started(evicting: None, command: str) -> None:
    with pytest.raises(CommandError, match=r"evicts keys \(allkeys-lru\).*Set its maxmemory-policy to noeviction"):
        call_command(command)


def test_the_embedded_one_evicts_nothing() -> None:
    assert redis_evicts_nothing() == []


@pytest.mark.parametrize("wrong", [["whisper-1=/srv/clinic"], ["clinic=/a", "clinic=/b"], ["clinic=nowhere"]])
def test_models_that_cannot_be_offered_are_an_error(settings: LazySettings, wrong: list[str]) -> None:
    settings.WHISPER_MODELS = ["large-v3", "clinic.en=~/clinic", "polish=acme/whisper-pl@v1"]
    assert models_can_be_offered() == []
    settings.WHISPER_MODELS = wrong
    assert [message.id for message in models_can_be_offered()] == ["portal.E003"]
