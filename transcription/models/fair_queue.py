"""The fair order between tenants, and what each tenant has waiting."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from transcription.models.transcription import Lane


class TenantSchedule(models.Model):
    """A tenant's place in the fair order. Changed only by transcription.queue.fairness, which describes the algorithm.

    Lock this row before any other when changing what a tenant has waiting.
    """

    tenant = models.OneToOneField(Tenant, models.CASCADE, primary_key=True, related_name="schedule")
    virtual_time = models.FloatField(default=0.0, help_text="Audio seconds over share, given to the tenant so far.")
    last_start = models.FloatField(default=0.0, db_index=True, help_text="virtual_time when its last claim began.")

    class Meta:
        db_table = "transcription_turn"
        verbose_name = _("place in the fair order")
        verbose_name_plural = _("places in the fair order")

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.virtual_time:g}"


class LaneBacklog(models.Model):
    """What a tenant has waiting in one lane.

    Changed only by transcription.queue.fairness, with the tenant's schedule locked.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="backlogs")
    lane = models.PositiveSmallIntegerField(choices=Lane.choices)
    waiting = models.PositiveIntegerField(default=0)
    waiting_seconds = models.FloatField(default=0.0)
    due_at = models.DateTimeField(null=True, blank=True, help_text="Nothing in it is due earlier.")

    class Meta:
        db_table = "transcription_line"
        verbose_name = _("backlog of a lane")
        verbose_name_plural = _("backlogs of lanes")
        constraints = (models.UniqueConstraint(fields=["tenant", "lane"], name="one_line_per_lane"),)
        indexes = (models.Index(fields=["lane", "due_at"], condition=Q(waiting__gt=0), name="lines_with_work"),)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.get_lane_display()}: {self.waiting}"
