"""The engines of this installation, as their gpuworkers last reported them."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants import database_clock

ALIVE = timedelta(seconds=15)
GPU_MEMORY_HIGH = 0.9
RUNGS = [
    ("graphs", _("CUDA graphs")),
    ("eager", _("without CUDA graphs")),
    ("math", _("math attention, half the slots")),
    ("ctranslate2", _("CTranslate2 on CUDA")),
    ("openai-whisper", _("openai-whisper's own decode")),
    ("cpu", _("on the CPU, with a smaller model")),
]
"""The ways to run on a machine with a GPU, the best one first; as transcription.engine.gpu_check.rungs has them."""

LATELY = models.Q(updated_at__gte=Now() - ALIVE)


class EngineManager(models.Manager["Engine"]):
    """Annotates engines with `is_alive`: whether they reported within ALIVE, by the database's clock."""

    def get_queryset(self) -> models.QuerySet[Engine]:
        return super().get_queryset().annotate(**{"is_alive": models.ExpressionWrapper(LATELY, models.BooleanField())})


class Engine(models.Model):
    """The last report of an engine and its RQ workers. Memory is in MiB."""

    name = models.CharField(_("name"), max_length=120, primary_key=True)
    host = models.CharField(_("machine"), max_length=120)
    backend = models.CharField(_("backend"), max_length=40, blank=True)
    device = models.CharField(_("device"), max_length=120, blank=True)
    rung = models.CharField(_("runs with"), max_length=40, blank=True, default="", db_default="", choices=RUNGS)
    models_loaded = models.JSONField(_("models"), default=list)
    model_versions = models.JSONField(_("model versions"), default=dict, help_text="By model name.")
    ready = models.BooleanField(_("ready"), default=False)
    problem = models.TextField(_("problem"), blank=True)
    memory_used_mib = models.FloatField(_("memory in use, MiB"), default=0.0)
    gpu_memory_used_mib = models.FloatField(_("GPU memory in use, MiB"), null=True, blank=True)
    gpu_memory_total_mib = models.FloatField(_("GPU memory, MiB"), null=True, blank=True)
    windows_done = models.PositiveBigIntegerField(_("windows done"), default=0)
    audio_seconds_done = models.FloatField(_("audio seconds done"), default=0.0)
    busy_seconds = models.FloatField(_("busy seconds"), default=0.0)
    tally = models.JSONField(_("totals"), default=dict, db_default=models.Value({}, models.JSONField()), editable=False)
    restarts = models.PositiveIntegerField(_("restarts"), default=0, db_default=0)
    windows_running = models.PositiveIntegerField(_("windows under way"), default=0, db_default=0)
    batch_capacity = models.PositiveIntegerField(_("windows in a batch at most"), default=0, db_default=0)
    model_order = models.JSONField(null=True, editable=False, help_text="load or unload, and the model's name.")
    queued_windows = models.PositiveIntegerField(_("windows waiting"), default=0)
    workers_alive = models.PositiveSmallIntegerField(_("workers alive"), default=0)
    workers_wanted = models.PositiveSmallIntegerField(_("workers wanted"), default=0)
    clock_ahead_seconds = models.FloatField(_("clock ahead of the database's, s"), default=0.0, db_default=0.0)
    paused_at = models.DateTimeField(
        _("paused"), null=True, blank=True, help_text=_("Its workers claim nothing from then on.")
    )
    started_at = models.DateTimeField(_("started"), db_default=Now())
    updated_at = models.DateTimeField(_("last report"), db_default=Now())
    is_alive = True

    objects: ClassVar[EngineManager] = EngineManager()

    class Meta:
        verbose_name = _("engine")
        verbose_name_plural = _("engines")
        ordering = ("name",)
        permissions = (
            ("view_operations", _("Can view the operations page")),
            ("act_on_operations", _("Can pause engines, and move, cancel and retry transcriptions")),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def unloaded(self) -> list[str]:
        """The models that are loaded when they are asked for: nobody used them lately."""
        return [name for name in self.model_versions if name not in self.models_loaded]

    @property
    def gpu_memory_high_mib(self) -> float | None:
        """The memory use that is reported as a problem; None without a GPU."""
        return self.gpu_memory_total_mib * GPU_MEMORY_HIGH if self.gpu_memory_total_mib else None

    @property
    def clock_problem(self) -> str:
        """How far the host's clock is from the database's, in words; empty if it is accurate enough."""
        seconds = self.clock_ahead_seconds
        return database_clock.described(seconds) if database_clock.is_skewed(seconds) else ""
