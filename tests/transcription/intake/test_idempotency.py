"""A request that is sent again under its key creates nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone

from tenants import scope
from tenants.models import Reservation
from tests.conftest import Character, MakeMedia, create_member, create_tenant
from tests.transcription.characters import arrive
from tests.transcription.intake.rush import rush
from transcription.errors import InvalidOption, Refused
from transcription.intake import accept, idempotency
from transcription.intake.request import CallContext
from transcription.maintenance import sweeper
from transcription.models import IdempotencyKey, Recording, Transcription
from transcription.options.options import TranscriptionOptions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


def ask(
    character: Character, path: Path, key: str = "one", endpoint: str = "/api/v1/recordings", **options: object
) -> Transcription:
    checked = TranscriptionOptions.checked(**options)  # type: ignore[arg-type]
    return accept.accept(character.actor, arrive(path), checked, "api", CallContext(endpoint, key))


def test_the_same_request_is_given_the_same_transcription(alice: Character, fox: Path) -> None:
    row = ask(alice, fox)
    assert ask(alice, fox) == row
    assert ask(alice, fox, key="two") != row
    assert Recording.objects.count() == Reservation.objects.count() == 2


def test_another_request_under_the_same_key_is_refused_before_anything_is_kept(
    alice: Character, fox: Path, make_media: MakeMedia
) -> None:
    ask(alice, fox)
    changes: list[Callable[[], Transcription]] = [
        lambda: ask(alice, make_media.tone("other.mp3", 1)),
        lambda: ask(alice, fox, language="en"),
        lambda: ask(alice, fox, endpoint="/v1/audio/transcriptions"),
    ]
    for change in changes:
        with pytest.raises(Refused) as refused:
            change()
        assert refused.value.code == "idempotency_key_reused"
    assert Recording.objects.count() == Reservation.objects.count() == 1


def test_another_transcription_of_a_recording_has_keys_too(alice: Character, fox: Path) -> None:
    recording = ask(alice, fox, key="").recording
    options, call = TranscriptionOptions.checked(language="en"), CallContext("/again", "one")
    row = accept.transcribe_again(alice.actor, recording, options, call)
    assert accept.transcribe_again(alice.actor, recording, options, CallContext("/again", "one")) == row
    with pytest.raises(Refused):
        accept.transcribe_again(alice.actor, recording, TranscriptionOptions.checked(), CallContext("/again", "one"))
    assert Transcription.objects.count() == 2


def test_a_refused_request_leaves_its_key_free(alice: Character, fox: Path) -> None:
    with pytest.raises(Refused):
        ask(alice, Path(__file__))
    assert ask(alice, fox).recording.bytes == fox.stat().st_size


def test_two_tenants_may_use_one_key(alice: Character, mallory: Character, fox: Path) -> None:
    row = ask(alice, fox)
    with scope.bound(mallory.tenant.id):
        assert ask(mallory, fox) != row


def test_a_key_is_forgotten_after_a_day(alice: Character, fox: Path) -> None:
    row = ask(alice, fox)
    assert sweeper.EVERY_HOUR["idempotency keys forgotten"]() == 0
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert sweeper.EVERY_HOUR["idempotency keys forgotten"]() == 1
    assert ask(alice, fox) != row


@pytest.mark.parametrize("key", ["", " ", "a b", "schlüssel", "x" * 256, "tab\t"])
def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(InvalidOption):
        idempotency.checked_key(key)


@pytest.mark.parametrize("key", [None, "a", "x" * 255, "018f-{}~!"])
def test_most_keys_will_do(key: str | None) -> None:
    assert idempotency.checked_key(key) == (key or "")


@pytest.mark.django_db(transaction=True)
def test_a_hundred_requests_with_one_key_are_one_transcription(fox: Path, tmp_path: Path) -> None:
    alice = create_member(create_tenant("Hasty"), "alice@hasty.example", "owner")

    rush(alice, fox, 100, tmp_path, partial(ask, alice))
    with scope.bound(alice.tenant.id):
        assert Reservation.objects.count() == 1
