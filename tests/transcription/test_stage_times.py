"""How long stages take is counted when they end, and kept for a week by time, however sweepers merge the counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.conftest import Character
from tests.race import at_once
from tests.transcription.characters import submit
from transcription import stage_times
from transcription.models import Recording, StageTime, Transcription
from transcription.queue import claims, lifecycle
from transcription.stage_times import BUCKETS, Histogram
from transcription.stopwatch import Measured

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("within")
def test_what_is_completed_counts_once_and_outlives_its_rows(alice: Character, fox: Path) -> None:
    row = submit(alice.actor, fox)
    Transcription.objects.filter(id=row.id).update(created_at=timezone.now() - timedelta(seconds=100))
    claim = claims.claim("host/1")
    assert claim is not None
    lifecycle.complete(claim, "Hi.", 3.85, [1], stages={"engine": Measured(0.1, 9.0, 7.0, 3, 4.0)})
    Recording.objects.all().delete()
    found = stage_times.totals()
    assert {"probe", "queue", "engine", "whole"} <= set(found)
    assert {times.total for times in found.values()} == {1}
    assert found["engine"].sum == pytest.approx(7.0)
    assert found["queue"].quantile(0.5) == pytest.approx(90, abs=31)  # in the bucket from 60 to 120 s


def test_quantiles_are_within_their_bucket() -> None:
    histogram = Histogram.empty()
    for bound, count in (("0.5", 90), ("60.0", 9), ("+Inf", 1)):
        histogram.add({bound: count}, 0)
    assert histogram.quantile(0.5) == pytest.approx(0.25 + 0.25 * 50 / 90)
    assert histogram.quantile(0.95) == pytest.approx(30 + 30 * 5 / 9)
    assert histogram.quantile(1.0) == BUCKETS[-1]
    assert Histogram.empty().quantile(0.5) is None


def test_merging_changes_no_sum_and_old_ones_are_kept_for_prometheus_alone() -> None:
    now = timezone.now()
    ages = [timedelta(seconds=5), timedelta(minutes=3), timedelta(hours=5), timedelta(days=3), timedelta(days=30)]
    for age in ages:
        for _ in range(10):
            stage_times.count({"decode": 0.3, "engine": 12.0}, now - age)
    before = stage_times.totals()
    for _round in range(4):
        stage_times.condense()
    assert stage_times.condense() == 0
    after = stage_times.totals()
    assert {stage: (times.counts, round(times.sum, 3)) for stage, times in after.items()} == {
        stage: (times.counts, round(times.sum, 3)) for stage, times in before.items()
    }
    assert StageTime.objects.count() <= 2 * (10 + 3)  # those of this minute wait
    week = stage_times.since(now - timedelta(days=7), timedelta(hours=3), 56)
    assert stage_times.whole(week["decode"]).total == 40


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_and_those_who_count_lose_nothing() -> None:
    old = timezone.now() - timedelta(minutes=5)

    def count_or_merge(number: int) -> None:
        if number % 4:
            stage_times.count({"save": 0.1}, old)
        else:
            stage_times.condense()

    at_once(40, count_or_merge)
    assert stage_times.totals()["save"].total == 30
