"""What ended is counted for good, though its rows are deleted and sweepers merge the counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.conftest import Character
from tests.race import at_once
from tests.transcription.characters import submit
from transcription.errors import Failure
from transcription.models import Lane, Recording, Statistic, Transcription
from transcription.queue import claims, lifecycle, statistics

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


def claim() -> claims.Claim:
    claimed = claims.claim("host/1")
    assert claimed is not None
    return claimed


def test_each_end_counts_once_and_outlives_its_rows(alice: Character, fox: Path) -> None:
    submit(alice.actor, fox)
    lifecycle.complete(claim(), "Hi.", 3.85, [1])
    submit(alice.actor, fox, prompt="another")
    lifecycle.fail(claim(), Failure("no_audio", "it broke"))
    lifecycle.cancel(submit(alice.actor, fox, prompt="a third"))
    Recording.objects.all().delete()
    ended, _seconds = statistics.totals()
    assert ended == {"completed": 1, "failed": 1, "cancelled": 1}


def test_seconds_fall_into_the_buckets_of_their_lane(alice: Character, fox: Path) -> None:
    row = submit(alice.actor, fox)
    held = claim()
    begin = timezone.now() - timedelta(seconds=7)
    Transcription.objects.filter(id=row.id).update(started_at=begin, created_at=begin - timedelta(seconds=400))
    lifecycle.complete(held, "Hi.", 3.85, [1])
    _ended, seconds = statistics.totals()
    [(lane, waited)] = seconds[statistics.WAIT].items()
    [(_, taken)] = seconds[statistics.PROCESSING].items()
    assert lane == row.lane
    assert dict(zip(statistics.BOUNDS, waited.counts, strict=True)) | {"300.0": 0, "600.0": 1, "+Inf": 1} == dict(
        zip(statistics.BOUNDS, waited.counts, strict=True)
    )
    assert waited.sum == pytest.approx(400)
    assert taken.counts[statistics.BOUNDS.index("10.0")] == 1
    assert taken.counts[statistics.BOUNDS.index("5.0")] == 0


def test_merging_changes_no_sum(alice: Character, fox: Path) -> None:
    rows = [Statistic(name="ended", lane=Lane.STANDARD, label="completed", count=1) for _ in range(30)]
    rows += [Statistic(name="wait", lane=Lane.BULK, label="0.5", count=1, microseconds=300_000) for _ in range(30)]
    Statistic.objects.bulk_create(rows)
    before = statistics.totals()
    assert statistics.merge() == 58
    assert statistics.merge() == 0
    assert Statistic.objects.count() == 2
    ended, seconds = statistics.totals()
    assert ended == before[0]
    assert seconds["wait"][Lane.BULK].counts == before[1]["wait"][Lane.BULK].counts
    assert seconds["wait"][Lane.BULK].sum == pytest.approx(9)


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_and_those_who_count_lose_nothing() -> None:
    def count_or_merge(number: int) -> None:
        if number % 4:
            Statistic.objects.create(name="ended", lane=Lane.STANDARD, label="completed", count=1)
        else:
            statistics.merge()

    at_once(80, count_or_merge)
    statistics.merge()
    assert statistics.totals()[0] == {"completed": 60}
