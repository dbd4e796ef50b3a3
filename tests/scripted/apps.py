"""Starts the scripted engine where the product starts its own."""

from __future__ import annotations

import sys

from django.apps import AppConfig


class ScriptedEngineConfig(AppConfig):
    """Replaces the gpuworker's engine command, and nothing else."""

    name = "tests.scripted"
    label = "scripted_engine"

    def ready(self) -> None:
        if "gpuworker" not in sys.argv:
            return
        from transcription import gpuworker

        plain = gpuworker.engine_command()
        ours = [sys.executable, "-m", "tests.scripted.engine", *plain[plain.index("serve") :]]
        gpuworker.engine_command = lambda: ours
