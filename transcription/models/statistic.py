"""What the installation has done, for its metrics. It outlives the rows that it was counted from."""

from __future__ import annotations

from django.db import models


class Statistic(models.Model):
    """A part of a sum: the rows of one name, lane and label together are a counter of Prometheus.

    Each transaction that counts inserts rows of its own, so that none waits for another; the sweeper merges them.
    """

    name = models.CharField(max_length=40)
    lane = models.PositiveSmallIntegerField()
    label = models.CharField(max_length=40, help_text="A status, or the upper bound of a histogram's bucket.")
    count = models.BigIntegerField()
    microseconds = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "statistic"
        verbose_name_plural = "statistics"

    def __str__(self) -> str:
        return f"{self.name} {self.lane} {self.label}"


class StageTime(models.Model):
    """A histogram of one stage's durations in a span of time, or a part of it; of completed transcriptions."""

    begin = models.DateTimeField()
    span = models.PositiveIntegerField(default=0, help_text="Seconds; 0 where nobody has merged it yet.")
    stage = models.CharField(max_length=12)
    counts: models.JSONField[dict[str, int]] = models.JSONField(help_text="By a bucket's upper bound, in seconds.")
    microseconds = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "time of a stage"
        verbose_name_plural = "times of stages"
        indexes = (models.Index(fields=["span", "begin"], name="stage_times_by_age"),)

    def __str__(self) -> str:
        return f"{self.begin} {self.stage}"
