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
